//! Top-1 and top-5 accuracy and cross-entropy, batch by batch.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use spectralkd_evaluation::accuracy::Accuracy;
//!
//! let logits = Tensor::new(&[[2f32, 1.0, 0.0], [0.0, 3.0, 1.0]], &Device::Cpu)?;
//! let labels = Tensor::new(&[0u32, 2], &Device::Cpu)?;
//! let mut accuracy = Accuracy::new();
//! accuracy.push(&logits, &labels)?;
//! assert_eq!(accuracy.top1()?, 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};

/// Counts of right answers and the summed loss over any number of batches.
///
/// A label's rank is the number of classes with a larger logit, plus those with
/// an equal logit and a smaller index: ties are decided by the order of the
/// classes, as an argmax that takes the first maximum decides them, so that a
/// model whose logits are all equal is right only for class 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accuracy {
    samples: u64,
    top1: u64,
    top5: u64,
    loss: f64,
}

impl Accuracy {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a batch: `logits` of shape `[B, K]` in any floating-point type,
    /// `labels` of shape `[B]` holding class indices below K in any integer type.
    ///
    /// # Errors
    /// [`Error::Shape`] when the shapes are not those, [`Error::NotFinite`]
    /// when a logit is NaN or infinite, [`Error::Label`] when a label is not
    /// below K; nothing is counted then.
    pub fn push(&mut self, logits: &Tensor, labels: &Tensor) -> Result<()> {
        let shape = |expected| Error::Shape {
            what: "logits and labels",
            expected,
            got: vec![logits.dims().to_vec(), labels.dims().to_vec()],
        };
        let (&[batch, classes], &[count]) = (logits.dims(), labels.dims()) else {
            return Err(shape("[B, K] and [B]"));
        };
        if batch != count || classes == 0 {
            return Err(shape("[B, K] and [B] with one B and K of at least 1"));
        }
        let rows = logits.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let labels = labels.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        let mut sum = Self::new();
        for (index, (row, &label)) in rows.iter().zip(&labels).enumerate() {
            let known = usize::try_from(label).ok().filter(|&l| l < classes);
            let Some(label) = known else {
                return Err(Error::Label {
                    index,
                    label,
                    classes,
                });
            };
            if let Some(class) = row.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite {
                    what: format!("the logits of {batch} samples and {classes} classes"),
                    index: index * classes + class,
                    value: row[class],
                });
            }
            sum.count(row, label);
        }
        self.merge(&sum);
        Ok(())
    }

    fn count(&mut self, row: &[f64], label: usize) {
        let own = row[label];
        let before = |(class, &v): (usize, &f64)| v > own || (v == own && class < label);
        let rank = row.iter().enumerate().filter(|&c| before(c)).count();
        self.samples += 1;
        self.top1 += u64::from(rank < 1);
        self.top5 += u64::from(rank < 5);
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
        self.loss += largest + sum.ln() - own;
    }

    /// Adds what another part of the data has counted.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.top1 += other.top1;
        self.top5 += other.top5;
        self.loss += other.loss;
    }

    /// Number of samples counted.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Share of samples whose label has the largest logit, 0 to 1.
    ///
    /// # Errors
    /// [`Error::TooFew`] when nothing has been counted.
    pub fn top1(&self) -> Result<f64> {
        self.mean(self.top1 as f64)
    }

    /// Share of samples whose label is among the five largest logits, 0 to 1;
    /// always 1 with five classes or fewer.
    ///
    /// # Errors
    /// [`Error::TooFew`] when nothing has been counted.
    pub fn top5(&self) -> Result<f64> {
        self.mean(self.top5 as f64)
    }

    /// Mean cross-entropy without label smoothing, in nats.
    ///
    /// # Errors
    /// [`Error::TooFew`] when nothing has been counted.
    pub fn loss(&self) -> Result<f64> {
        self.mean(self.loss)
    }

    fn mean(&self, sum: f64) -> Result<f64> {
        if self.samples == 0 {
            return Err(Error::TooFew {
                what: "an accuracy",
                got: 0,
                need: 1,
            });
        }
        Ok(sum / self.samples as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn counted(rows: &[[f32; 6]], labels: &[u32]) -> Result<Accuracy> {
        let mut accuracy = Accuracy::new();
        accuracy.push(
            &Tensor::from_slice(rows.as_flattened(), (rows.len(), 6), &Device::Cpu)?,
            &Tensor::new(labels, &Device::Cpu)?,
        )?;
        Ok(accuracy)
    }

    #[test]
    fn ranks_and_loss() {
        let row = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let a = counted(&[row, row, row], &[5, 1, 0]).unwrap();
        assert_eq!(
            (a.samples(), a.top1().unwrap(), a.top5().unwrap()),
            (3, 1.0 / 3.0, 2.0 / 3.0)
        );
        // ln(sum of e^0 .. e^5) = 5.456193316018123; minus 5, 1 and 0.
        let expected = (3.0 * 5.456_193_316_018_123 - 6.0) / 3.0;
        assert!((a.loss().unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn ties_go_to_the_first_class() {
        let a = counted(&[[1.0; 6]; 6], &[0, 1, 2, 3, 4, 5]).unwrap();
        assert_eq!(
            (a.top1().unwrap(), a.top5().unwrap()),
            (1.0 / 6.0, 5.0 / 6.0)
        );
        assert!((a.loss().unwrap() - 6f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn parts_add_up() {
        let (r, s) = (
            [0.0, 1.0, 0.5, 0.0, 9.0, 3.0],
            [3.0, 1.0, 0.5, 0.0, 2.0, 3.0],
        );
        let mut parts = counted(&[r], &[4]).unwrap();
        parts.merge(&counted(&[s], &[5]).unwrap());
        assert_eq!(parts, counted(&[r, s], &[4, 5]).unwrap());
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let a = counted(&[[3e38, -3e38, 0.0, 0.0, 0.0, 0.0]], &[0]).unwrap();
        assert_eq!(a.loss().unwrap(), 0.0);
    }

    #[test]
    fn bad_batches_count_nothing() {
        let mut a = Accuracy::new();
        let logits = Tensor::new(&[[0f32, 1.0], [f32::NAN, 0.0]], &Device::Cpu).unwrap();
        let labels = |l: &[u32]| Tensor::new(l, &Device::Cpu).unwrap();
        let nan = a.push(&logits, &labels(&[0, 1]));
        assert!(matches!(nan, Err(Error::NotFinite { index: 2, .. })));
        let label = a.push(&logits, &labels(&[2, 1]));
        assert!(matches!(
            label,
            Err(Error::Label {
                index: 0,
                label: 2,
                classes: 2
            })
        ));
        assert!(matches!(
            a.push(&logits, &labels(&[0])),
            Err(Error::Shape { .. })
        ));
        assert!(matches!(
            a.push(&labels(&[0]), &logits),
            Err(Error::Shape { .. })
        ));
        assert_eq!(a, Accuracy::new());
        assert!(matches!(a.top1(), Err(Error::TooFew { .. })));
    }
}
