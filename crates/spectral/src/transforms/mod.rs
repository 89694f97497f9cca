//! The discrete Fourier transforms, real and complex, along any one or two axes.
//!
//! Each public function moves its axes to the end as a view, so that all of them rest on three
//! operations over planes `[..., H, W]` ([`plane`]); along one axis a plane is `[1, n]`.

mod axes;
mod complex;
mod plane;
mod real;

pub use complex::{fft, fft2, fft2_over, ifft, ifft2, ifft2_over};
pub use real::{irfft, irfft2, irfft2_over, rfft, rfft2, rfft2_over};
