//! How far a student's layers are from its teacher's.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use spectralkd_losses::spectral_loss;
use spectralkd_report::csv::{Field, Writer};
use spectralkd_spectral::{ChannelSpectrum, adaptive_avg_pool_channels};

use super::log_distance::log_spectral_distance;
use crate::error::{Error, Result};

/// The distance between a student's layer and the teacher's layer it is
/// compared with, over all images seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairDistance {
    /// Index of the student's layer.
    pub student_layer: usize,
    /// Index of the teacher's layer.
    pub teacher_layer: usize,
    /// The paper's loss of the pair: the teacher averaged over channels to the
    /// student's width, ortho rfft2 over H and W, mean squared error of real
    /// and imaginary parts (squared feature units). It compares features image
    /// by image.
    pub spectral_loss: f64,
    /// [`log_spectral_distance`] of the two channel spectra, the teacher
    /// averaged over channels to the student's width (dB). It compares mean
    /// spectra only: two layers can agree in it and still differ on every
    /// image, and it depends on the order of channels.
    pub spectrum_distance: f64,
}

/// Distances of pairs of layers over any number of batches.
#[derive(Clone, Debug)]
pub struct PairDistances {
    pairs: Vec<Pair>,
    images: u64,
}

#[derive(Clone, Debug)]
struct Pair {
    student_layer: usize,
    teacher_layer: usize,
    /// Sum over images of the mean loss per image.
    loss: f64,
    /// Channel spectra of the student and of the pooled teacher.
    spectra: Option<(ChannelSpectrum, ChannelSpectrum)>,
}

impl PairDistances {
    /// No batch seen yet; `pairs` are (student layer, teacher layer).
    ///
    /// # Errors
    /// [`Error::TooFew`] without any pair.
    pub fn new(pairs: &[(usize, usize)]) -> Result<Self> {
        if pairs.is_empty() {
            return Err(Error::TooFew {
                what: "a distance between models",
                got: 0,
                need: 1,
            });
        }
        let pair = |&(student_layer, teacher_layer): &(usize, usize)| Pair {
            student_layer,
            teacher_layer,
            loss: 0.0,
            spectra: None,
        };
        Ok(Self {
            pairs: pairs.iter().map(pair).collect(),
            images: 0,
        })
    }

    /// Adds a batch: features (layer, `[B, C, H, W]`) of student and teacher for
    /// the same images, with at least the layers of the pairs.
    ///
    /// # Errors
    /// [`Error::Layer`] when a layer of a pair is missing, [`Error::Loss`] when
    /// the shapes of a pair do not fit (the student must not be wider than the
    /// teacher), [`Error::Spectral`] for a value that is not finite or another
    /// width than before. The distances are as they were then.
    pub fn push(&mut self, student: &[(usize, Tensor)], teacher: &[(usize, Tensor)]) -> Result<()> {
        let mut images = None;
        let mut pairs = self.pairs.clone();
        for pair in &mut pairs {
            let own = find("student", student, pair.student_layer)?;
            let other = find("teacher", teacher, pair.teacher_layer)?;
            let loss = spectral_loss(own, other)?;
            let loss = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            let (batch, channels) = (own.dim(0)?, own.dim(1)?);
            if *images.get_or_insert(batch) != batch {
                return Err(Error::Shape {
                    what: "the features of all pairs",
                    expected: "[B, C, H, W] with one B",
                    got: student.iter().map(|(_, f)| f.dims().to_vec()).collect(),
                });
            }
            pair.loss += loss * batch as f64;
            let empty = || ChannelSpectrum::new(channels);
            let spectra = pair.spectra.get_or_insert_with(|| (empty(), empty()));
            spectra.0.push(own)?;
            spectra
                .1
                .push(&adaptive_avg_pool_channels(other, channels)?)?;
        }
        self.pairs = pairs;
        self.images += images.unwrap_or(0) as u64;
        Ok(())
    }

    /// The distances over everything seen, in the order of the pairs.
    ///
    /// # Errors
    /// [`Error::TooFew`] when no image has been seen.
    pub fn distances(&self) -> Result<Vec<PairDistance>> {
        let distance = |pair: &Pair| {
            let Some((student, teacher)) = pair.spectra.as_ref().filter(|_| self.images > 0) else {
                return Err(Error::TooFew {
                    what: "a distance between models",
                    got: 0,
                    need: 1,
                });
            };
            Ok(PairDistance {
                student_layer: pair.student_layer,
                teacher_layer: pair.teacher_layer,
                spectral_loss: pair.loss / self.images as f64,
                spectrum_distance: log_spectral_distance(
                    &student.amplitude(),
                    &teacher.amplitude(),
                )?,
            })
        };
        self.pairs.iter().map(distance).collect()
    }

    /// The distances as CSV:
    /// `student_layer,teacher_layer,spectral_loss,spectrum_distance`.
    ///
    /// # Errors
    /// As [`PairDistances::distances`].
    pub fn csv(&self) -> Result<String> {
        let mut out = Writer::new(&[
            "student_layer",
            "teacher_layer",
            "spectral_loss",
            "spectrum_distance",
        ]);
        for d in self.distances()? {
            out.row([
                Field::whole(d.student_layer as u64),
                Field::whole(d.teacher_layer as u64),
                Field::number(d.spectral_loss),
                Field::number(d.spectrum_distance),
            ]);
        }
        Ok(out.finish())
    }
}

fn find<'a>(
    model: &'static str,
    features: &'a [(usize, Tensor)],
    layer: usize,
) -> Result<&'a Tensor> {
    let found = features.iter().find(|f| f.0 == layer).map(|f| &f.1);
    found.ok_or_else(|| Error::Layer {
        model,
        layer,
        present: features.iter().map(|f| f.0).collect(),
    })
}

#[cfg(test)]
mod tests {
    use spectralkd_losses::spectral_loss_by_fft;

    use super::*;
    use candle_core::Device;
    use spectralkd_base::random::Stream;

    fn noise(name: &str, shape: (usize, usize, usize, usize)) -> Tensor {
        let mut stream = Stream::new(5, name);
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn batches_weigh_by_their_images() {
        let (student, teacher) = (noise("s", (5, 3, 4, 4)), noise("t", (5, 6, 4, 4)));
        let mut whole = PairDistances::new(&[(1, 8)]).unwrap();
        whole
            .push(&[(1, student.clone())], &[(8, teacher.clone())])
            .unwrap();
        let mut parts = PairDistances::new(&[(1, 8)]).unwrap();
        for (from, count) in [(0, 4), (4, 1)] {
            let cut = |x: &Tensor| x.narrow(0, from, count).unwrap();
            parts
                .push(&[(1, cut(&student))], &[(8, cut(&teacher))])
                .unwrap();
        }
        let (a, b) = (whole.distances().unwrap()[0], parts.distances().unwrap()[0]);
        assert!((a.spectral_loss - b.spectral_loss).abs() < 1e-6);
        assert!((a.spectrum_distance - b.spectrum_distance).abs() < 1e-9);
        let expected = spectral_loss_by_fft(&student, &teacher).unwrap();
        let expected = f64::from(expected.to_scalar::<f32>().unwrap());
        assert!((a.spectral_loss - expected).abs() < 1e-6);
        assert!(a.spectral_loss > 0.1 && a.spectrum_distance > 0.1);
        let text = whole.csv().unwrap();
        assert!(
            text.starts_with("student_layer,teacher_layer,spectral_loss,spectrum_distance\n1,8,")
        );
    }

    #[test]
    fn a_student_equal_to_its_pooled_teacher_is_at_distance_zero() {
        let teacher = noise("t", (2, 6, 4, 4));
        let student = adaptive_avg_pool_channels(&teacher, 3).unwrap();
        let mut pairs = PairDistances::new(&[(0, 0)]).unwrap();
        pairs.push(&[(0, student)], &[(0, teacher)]).unwrap();
        let d = pairs.distances().unwrap()[0];
        assert!(
            d.spectral_loss < 1e-12 && d.spectrum_distance < 1e-6,
            "{d:?}"
        );
    }

    #[test]
    fn bad_batches_change_nothing() {
        let mut pairs = PairDistances::new(&[(0, 0), (1, 1)]).unwrap();
        let narrow = noise("n", (2, 3, 4, 4));
        let wide = noise("w", (2, 6, 4, 4));
        let both = |x: &Tensor| vec![(0, x.clone()), (1, x.clone())];
        let missing = pairs.push(&both(&narrow), &[(0, wide.clone())]);
        assert!(matches!(
            missing,
            Err(Error::Layer {
                model: "teacher",
                layer: 1,
                ..
            })
        ));
        let wider = pairs.push(&both(&wide), &both(&narrow));
        assert!(matches!(wider, Err(Error::Loss(_))));
        assert!(matches!(pairs.distances(), Err(Error::TooFew { .. })));
        assert!(matches!(PairDistances::new(&[]), Err(Error::TooFew { .. })));
        pairs.push(&both(&narrow), &both(&wide)).unwrap();
        assert_eq!(pairs.distances().unwrap().len(), 2);
    }
}
