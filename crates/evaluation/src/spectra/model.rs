//! The channel spectrum of every layer of a model.

use std::collections::BTreeMap;

use candle_core::Tensor;
use spectralkd_report::csv::{Field, Writer};
use spectralkd_spectral::ChannelSpectrum;

use crate::error::{Error, Result};

/// The spectra of a model's layers over any number of batches.
///
/// For each layer, after the paper's authors: the features' Fourier transform
/// over the channel axis divided by C; the layer-wise spectrum is the mean of
/// its modulus over images and positions, and the model-wise intensity the mean
/// of that over all C bins, the zero frequency included. Beside it stands the
/// intensity divided by that of white noise of the same width and RMS,
/// L · √C / (0.8862 · RMS), without which layers of different widths do not
/// compare.
#[derive(Clone, Debug, Default)]
pub struct ModelSpectra {
    layers: BTreeMap<usize, ChannelSpectrum>,
}

impl ModelSpectra {
    /// No batch seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a batch: (layer, features of shape `[B, C, H, W]`), the same layers
    /// with the same widths in every batch.
    ///
    /// # Errors
    /// [`Error::Layer`] when the layers are not those of the batches before, or
    /// one comes twice; [`Error::Spectral`] for another shape or width, an
    /// element type that is no float, or a value that is not finite. The
    /// spectra are as they were then.
    pub fn push(&mut self, features: &[(usize, Tensor)]) -> Result<()> {
        let mut batch = Self::new();
        for (layer, map) in features {
            let channels = match self.layers.get(layer) {
                Some(seen) => seen.channels(),
                // A wrong rank is for `ChannelSpectrum::push` to refuse.
                None => map.dims().get(1).copied().unwrap_or(0),
            };
            let mut spectrum = ChannelSpectrum::new(channels);
            spectrum.push(map)?;
            if batch.layers.insert(*layer, spectrum).is_some() {
                return Err(self.odd(*layer));
            }
        }
        self.merge(&batch)
    }

    /// Adds the batches that another accumulator of the same model has seen.
    ///
    /// # Errors
    /// [`Error::Layer`] when the layers differ, [`Error::Spectral`] when their
    /// widths do.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.layers.is_empty() {
            self.layers.clone_from(&other.layers);
            return Ok(());
        }
        if other.layers.is_empty() {
            return Ok(());
        }
        let known = |layer: &&usize| !self.layers.contains_key(layer);
        if let Some(layer) = other.layers.keys().find(known) {
            return Err(self.odd(*layer));
        }
        let lacking = |layer: &&usize| !other.layers.contains_key(layer);
        if let Some(layer) = self.layers.keys().find(lacking) {
            return Err(other.odd(*layer));
        }
        // All or nothing: a width that differs must not leave half a batch.
        let mut merged = self.layers.clone();
        for (layer, spectrum) in &other.layers {
            if let Some(sum) = merged.get_mut(layer) {
                sum.merge(spectrum)?;
            }
        }
        self.layers = merged;
        Ok(())
    }

    /// The layers with their spectra, ascending.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &ChannelSpectrum)> {
        self.layers
            .iter()
            .map(|(layer, spectrum)| (*layer, spectrum))
    }

    /// The spectrum of a layer.
    pub fn layer(&self, layer: usize) -> Option<&ChannelSpectrum> {
        self.layers.get(&layer)
    }

    /// `spectra.csv`: `layer,bin,frequency,amplitude`, with the bins 0 ..= C-1
    /// and the frequency bin / C in cycles per channel; bin k and bin C - k
    /// mirror each other, since features are real.
    pub fn spectra_csv(&self) -> String {
        let mut out = Writer::new(&["layer", "bin", "frequency", "amplitude"]);
        for (layer, spectrum) in &self.layers {
            let amplitudes = spectrum.amplitude();
            for (bin, amplitude) in amplitudes.iter().enumerate() {
                out.row([
                    Field::whole(*layer as u64),
                    Field::whole(bin as u64),
                    Field::number(bin as f64 / amplitudes.len() as f64),
                    Field::number(*amplitude),
                ]);
            }
        }
        out.finish()
    }

    /// `intensity.csv`: `layer,intensity,normalised_intensity`. The last is
    /// empty for features that are zero everywhere, where it is not defined.
    pub fn intensity_csv(&self) -> String {
        let mut out = Writer::new(&["layer", "intensity", "normalised_intensity"]);
        for (layer, spectrum) in &self.layers {
            let normalised = Some(spectrum.normalised_intensity());
            out.row([
                Field::whole(*layer as u64),
                Field::number(spectrum.intensity()),
                Field::optional(normalised.filter(|v| v.is_finite())),
            ]);
        }
        out.finish()
    }

    fn odd(&self, layer: usize) -> Error {
        Error::Layer {
            model: "batch",
            layer,
            present: self.layers.keys().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use spectralkd_base::random::Stream;
    use spectralkd_report::csv::Reader;

    fn noise(name: &str, shape: (usize, usize, usize, usize)) -> Tensor {
        let mut stream = Stream::new(3, name);
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn white_noise_has_intensity_one() {
        let mut spectra = ModelSpectra::new();
        let wide = noise("wide", (40, 32, 5, 5));
        spectra
            .push(&[(2, noise("narrow", (40, 8, 5, 5))), (7, wide)])
            .unwrap();
        let read = Reader::parse(&spectra.intensity_csv()).unwrap();
        assert_eq!(read.columns, ["layer", "intensity", "normalised_intensity"]);
        assert_eq!(read.numbers("layer").unwrap(), [2.0, 7.0]);
        for value in read.numbers("normalised_intensity").unwrap() {
            // Real bins (0 and C/2) have a lower mean modulus than the others.
            assert!((value - 1.0).abs() < 0.06, "{value}");
        }
        let intensity = read.numbers("intensity").unwrap();
        assert!(
            (intensity[0] / intensity[1] - 2.0).abs() < 0.1,
            "{intensity:?}"
        );
    }

    #[test]
    fn spectra_agree_with_the_definition() {
        let x = noise("x", (3, 6, 2, 2));
        let mut spectra = ModelSpectra::new();
        spectra.push(&[(0, x.clone())]).unwrap();
        let read = Reader::parse(&spectra.spectra_csv()).unwrap();
        let got = read.numbers("amplitude").unwrap();
        let vectors = x.permute((0, 2, 3, 1)).unwrap().reshape((12, 6)).unwrap();
        let vectors = vectors.to_vec2::<f32>().unwrap();
        let frequencies = read.numbers("frequency").unwrap();
        for (k, (amplitude, frequency)) in got.iter().zip(frequencies).enumerate() {
            let modulus = |v: &Vec<f32>| {
                let turn = |c: usize| -std::f64::consts::TAU * (k * c) as f64 / 6.0;
                let part = |f: fn(f64) -> f64| -> f64 {
                    v.iter()
                        .enumerate()
                        .map(|(c, x)| f64::from(*x) * f(turn(c)))
                        .sum()
                };
                part(f64::cos).hypot(part(f64::sin)) / 6.0
            };
            let expected = vectors.iter().map(modulus).sum::<f64>() / 12.0;
            assert!((amplitude - expected).abs() < 1e-9, "bin {k}");
            assert!((frequency - k as f64 / 6.0).abs() < 1e-15);
        }
        let intensity = Reader::parse(&spectra.intensity_csv()).unwrap();
        let mean = got.iter().sum::<f64>() / 6.0;
        assert!((intensity.numbers("intensity").unwrap()[0] - mean).abs() < 1e-12);
    }

    #[test]
    fn batches_add_up() {
        let x = noise("x", (6, 4, 3, 3));
        let mut whole = ModelSpectra::new();
        whole.push(&[(0, x.clone())]).unwrap();
        let mut parts = ModelSpectra::new();
        for (from, count) in [(0, 1), (1, 5)] {
            parts
                .push(&[(0, x.narrow(0, from, count).unwrap())])
                .unwrap();
        }
        let (a, b) = (whole.layer(0).unwrap(), parts.layer(0).unwrap());
        assert_eq!(a.count(), b.count());
        assert!((a.intensity() - b.intensity()).abs() < 1e-14);
    }

    #[test]
    fn a_dead_layer_has_no_normalised_intensity() {
        let mut spectra = ModelSpectra::new();
        spectra
            .push(&[(0, noise("x", (1, 2, 1, 1)).zeros_like().unwrap())])
            .unwrap();
        assert!(spectra.intensity_csv().ends_with("\n0,0,\n"));
    }

    #[test]
    fn odd_batches_change_nothing() {
        let mut spectra = ModelSpectra::new();
        let (a, b) = (noise("a", (2, 4, 3, 3)), noise("b", (2, 6, 3, 3)));
        spectra.push(&[(0, a.clone()), (1, b.clone())]).unwrap();
        let before = spectra.spectra_csv();
        let nan = a.affine(f64::NAN, 0.0).unwrap();
        assert!(matches!(
            spectra.push(&[(0, a.clone())]),
            Err(Error::Layer { layer: 1, .. })
        ));
        assert!(matches!(
            spectra.push(&[(0, a.clone()), (1, b.clone()), (2, b.clone())]),
            Err(Error::Layer { layer: 2, .. })
        ));
        let twice = [(0, a.clone()), (0, a.clone()), (1, b.clone())];
        assert!(matches!(
            spectra.push(&twice),
            Err(Error::Layer { layer: 0, .. })
        ));
        let swapped = [(0, a.clone()), (1, a.clone())];
        assert!(matches!(spectra.push(&swapped), Err(Error::Spectral(_))));
        assert!(matches!(
            spectra.push(&[(0, a), (1, nan)]),
            Err(Error::Spectral(_))
        ));
        assert_eq!(spectra.spectra_csv(), before);
    }
}
