//! Fourier transforms, pooling and spectra on [candle](candle_core) tensors, differentiable, each
//! with its definition beside it.
//!
//! Everything a spectral loss or a spectral analysis of feature maps needs, and nothing about
//! models. candle has no complex type: a complex result is a [`Spectrum`] over one real tensor with
//! a leading axis of 2.
//!
//! | op | formula, or what it does |
//! |---|---|
//! | [`fft`], [`ifft`] | `X[k] = s sum x[t] exp(-2 pi i t k / n)`, `x[t] = s' sum X[k] exp(+2 pi i t k / n)` along one axis |
//! | [`rfft`], [`irfft`] | the same between real samples and the bins `0..=n/2` |
//! | [`fft2`], [`ifft2`], [`rfft2`], [`irfft2`] | over the last two axes; `…_over` any two |
//! | [`Spectrum::amplitude`], [`phase`](Spectrum::phase), [`power`](Spectrum::power) | `sqrt(re^2 + im^2)`, `atan2(im, re)`, `re^2 + im^2` |
//! | [`Spectrum::conj`], [`scale`](Spectrum::scale), [`add`](Spectrum::add), [`sub`](Spectrum::sub), [`mul`](Spectrum::mul), [`mask`](Spectrum::mask) | arithmetic |
//! | [`Spectrum::to_signal`], [`to_full`](Spectrum::to_full) | the inverse; the bins that a half spectrum leaves out |
//! | [`radial_average`], [`band_average`], [`FrequencyGrid`] | means over rings and bands of frequency; low- and high-pass masks |
//! | [`fftshift`], [`ifftshift`] | the zero frequency to the middle, and back |
//! | [`resize`], [`resize_axis`] | cropping and zero-padding of the spectrum (SciPy's `resample`) |
//! | [`adaptive_avg_pool_channels`], [`adaptive_avg_pool2d`] | averages over PyTorch's bins |
//! | [`ChannelSpectrum`], [`SpatialSpectrum`], [`PermutedSpectra`] | mean amplitudes along the channels, over space, and along permuted channels, over any number of images |
//! | [`AmplitudeStatistics`] | exact counts, mean, spread and quantiles of amplitudes in constant memory; mergeable |
//! | [`oracle`] | the definitions, slow and obvious, for tests |
//! | [`planes`] | strided access to the planes of a CPU tensor, for ops of your own |
//! | `properties` | with the feature `proptest`: property tests for ops of your own |
//!
//! **Normalisation** is named as in NumPy and PyTorch ([`Norm`]). Over `n` points (`H W` in two
//! dimensions):
//!
//! | norm | forward `s` | inverse `s'` | Parseval: energy of the full spectrum |
//! |---|---|---|---|
//! | `Backward` | 1 | `1/n` | `n` times the signal's |
//! | `Ortho` | `1/sqrt(n)` | `1/sqrt(n)` | the signal's |
//! | `Forward` | `1/n` | 1 | `1/n` of the signal's |
//!
//! **Axes** are candle's: a number from the front, or [`D::Minus1`](candle_core::D) from the back; a
//! spectrum's are counted without its leading axis of 2. **Precision**: f32 and f64 are computed as
//! they are; of f16 and bf16 transforms and averages over bins are computed and returned in f32,
//! pooling and resizing come back in the type they were given. **Gradients**: transforms, pooling,
//! amplitude and phase are custom ops with hand-written adjoints; the rest is composed of those and
//! of candle's own differentiable ops. **Devices**: CPU kernels (rustfft and realfft with cached
//! plans, over rayon, whose results are the same to the bit for any number of threads); products
//! with DFT matrices elsewhere. **Strides** may be any. **Errors** ([`Error`]) name the op and the
//! shape; bad input does not panic.
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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod amplitude_statistics;
mod arithmetic;
mod averages;
mod banded;
mod channel_spectrum;
mod constants;
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
#[cfg(feature = "proptest")]
pub mod properties;
mod real;
mod resize;
mod shift;
mod spatial_spectrum;
mod spectrum;
mod transforms;

pub use amplitude_statistics::AmplitudeStatistics;
pub use averages::{band_average, radial_average};
pub use channel_spectrum::{ChannelSpectrum, WHITE_NOISE_LEVEL};
pub use error::{Error, Result};
pub use grid::FrequencyGrid;
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
