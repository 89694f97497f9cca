//! What only a build with CUDA can ask.

use candle_core::Device;

/// The card's name, as in "NVIDIA H100 80GB HBM3".
#[cfg(feature = "cuda")]
pub(crate) fn name(device: &Device) -> Option<String> {
    let device = device.as_cuda_device().ok()?;
    device.cuda_stream().context().name().ok()
}

/// No card.
#[cfg(not(feature = "cuda"))]
pub(crate) fn name(_: &Device) -> Option<String> {
    None
}
