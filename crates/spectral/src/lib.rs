//! Fourier transforms, adaptive pooling and streaming spectra on [candle](candle_core) tensors.
//!
//! Everything a spectral loss or a spectral analysis of feature maps needs, and nothing about
//! models: the two-dimensional transform of real tensors with its gradient ([`rfft2`]), average
//! pooling over channels with PyTorch's bins ([`adaptive_avg_pool_channels`]), and the amplitude
//! spectrum along the channel axis, accumulated over any number of images ([`ChannelSpectrum`]). A
//! complex result is a [`Spectrum`] over one real tensor, since candle has no complex type.
//!
//! **Normalisation** is named as in NumPy and PyTorch ([`Norm`]): `Backward` leaves the forward
//! transform a plain sum, `Ortho` makes it unitary, `Forward` divides it by the number of points.
//! **Precision**: f32 and f64 are computed as they are, f16 and bf16 in f32. **Devices**: custom
//! CPU kernels over rayon, whose results are the same to the bit for any number of threads;
//! compositions of candle's ops elsewhere. **Strides** may be any.
//!
//! | module | what it holds |
//! |---|---|
//! | [`oracle`] | the definitions, slow and obvious, for tests |
//! | [`planes`] | strided access to the planes of a CPU tensor, for ops of your own |
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use spectralkd_spectral::{Norm, rfft2};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A batch of one image with one channel: [1, 1, 2, 4].
//! let image = Var::new(&[[[[1f32, 2., 3., 4.], [5., 6., 7., 8.]]]], &Device::Cpu)?;
//! let spectrum = rfft2(&image, Norm::Ortho)?;
//! assert_eq!(spectrum.as_tensor().dims(), [2, 1, 1, 2, 3]);
//!
//! // Unitary: the zero frequency is the sum over the square root of the number of points.
//! let zero = spectrum.re()?.flatten_all()?.get(0)?.to_scalar::<f32>()?;
//! assert!((zero - 36.0 / 8f32.sqrt()).abs() < 1e-5);
//!
//! // Gradients flow through the adjoint transform.
//! let gradients = spectrum.amplitude()?.sum_all()?.backward()?;
//! assert_eq!(gradients.get(&image).map(|g| g.dims().to_vec()), Some(vec![1, 1, 2, 4]));
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod amplitude_statistics;
mod arithmetic;
mod banded;
mod channel_spectrum;
mod error;
mod grid;
mod kernels;
mod log_bins;
mod matrices;
mod norm;
pub mod oracle;
mod permuted_spectra;
pub mod planes;
mod polar;
mod pool;
mod real;
mod resize;
mod shift;
mod spatial_spectrum;
mod spectrum;
mod transforms;

pub use amplitude_statistics::AmplitudeStatistics;
pub use channel_spectrum::{ChannelSpectrum, WHITE_NOISE_LEVEL};
pub use error::{Error, Result};
pub use grid::{FrequencyGrid, band_average, radial_average};
pub use matrices::rfft2_by_matrices;
pub use norm::Norm;
pub use permuted_spectra::PermutedSpectra;
pub use pool::{adaptive_avg_pool_channels, adaptive_avg_pool2d, adaptive_bin};
pub use resize::{resize, resize_axis};
pub use shift::{fftshift, ifftshift};
pub use spatial_spectrum::SpatialSpectrum;
pub use spectrum::{Signal, Spectrum};
pub use transforms::{
    fft, fft2, fft2_over, ifft, ifft2, ifft2_over, irfft, irfft2, irfft2_over, rfft, rfft2,
    rfft2_over,
};
