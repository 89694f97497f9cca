//! Reads of the host from the device, counted: each waits for all work that was handed to the device before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{DType, Device, Result, Tensor};

/// Brings numbers to the host, and counts how often. Clones share one count.
///
/// Everything that [`crate::Trainer`] reads while it trains goes through one of these, so that a test can hold it to
/// one read for many steps. Checkpoints and the task's own evaluation are not counted.
///
/// ```
/// # fn main() -> candle_core::Result<()> {
/// use candle_core::{Device, Tensor};
/// use spectralkd_trainer::Reads;
///
/// let reads = Reads::default();
/// let numbers = reads.numbers(&Tensor::new(&[1f32, 0.5], &Device::Cpu)?)?;
/// assert_eq!((numbers, reads.count()), (vec![1.0, 0.5], 1));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reads(Arc<AtomicU64>);

impl Reads {
    /// How often the host has read.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The tensor on the host, without its graph: one read.
    ///
    /// # Errors
    /// candle's, if the copy fails.
    pub fn fetch(&self, tensor: &Tensor) -> Result<Tensor> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tensor.detach().to_device(&Device::Cpu)
    }

    /// All its numbers in order, whatever its shape and type: one read.
    ///
    /// # Errors
    /// candle's, if the copy fails.
    pub fn numbers(&self, tensor: &Tensor) -> Result<Vec<f64>> {
        let tensor = self.fetch(tensor)?.to_dtype(DType::F64)?;
        tensor.flatten_all()?.to_vec1()
    }
}
