//! The spectral operations.

use spectralkd_spectral::{
    FrequencyGrid, Norm, adaptive_avg_pool_channels, adaptive_avg_pool2d, fft2, fftshift, ifft2,
    irfft2, resize, rfft2,
};

use super::case::{Case, Tensors};
use super::draw::Draw;
use crate::error::Result;

type Run = fn(&Draw) -> Result<Tensors>;

pub(super) fn cases() -> Vec<Case> {
    let case = |&(name, run): &(&'static str, Run)| Case::drawn("spectral", name, run);
    CASES.iter().map(case).collect()
}

const CASES: [(&str, Run); 9] = [
    ("rfft2, 14x9", |d| {
        let x = d.input("x", &[2, 3, 14, 9])?;
        d.finish(vec![("y", rfft2(&x, Norm::Ortho)?.into_tensor())])
    }),
    ("rfft2, 56x56", |d| {
        let x = d.input("x", &[2, 3, 56, 56])?;
        d.finish(vec![("y", rfft2(&x, Norm::Ortho)?.into_tensor())])
    }),
    ("irfft2 of rfft2", |d| {
        let x = d.input("x", &[2, 3, 14, 9])?;
        let spectrum = rfft2(&x, Norm::Ortho)?;
        d.finish(vec![("y", irfft2(&spectrum, 9, Norm::Forward)?)])
    }),
    ("ifft2 of fft2", |d| {
        let x = d.input("x", &[2, 3, 7, 14])?;
        let spectrum = fft2(&x, Norm::Backward)?;
        d.finish(vec![("y", ifft2(&spectrum, Norm::Ortho)?.into_tensor())])
    }),
    ("amplitude", |d| {
        let x = d.input("x", &[2, 3, 14, 14])?;
        d.finish(vec![("y", rfft2(&x, Norm::Ortho)?.amplitude()?)])
    }),
    ("phase", |d| {
        let x = d.input("x", &[2, 3, 14, 14])?;
        let full = fft2(&x, Norm::Ortho)?;
        // Away from the real bins, where pi and -pi are one angle; and its cosine, which does not jump.
        let spectrum = full.phase()?.narrow(2, 1, 6)?.narrow(3, 1, 6)?;
        d.finish(vec![("cosine", spectrum.cos()?)])
    }),
    ("mask, power, rings, shift", |d| {
        let x = d.input("x", &[2, 3, 14, 14])?;
        let spectrum = fft2(&x, Norm::Ortho)?;
        let grid = FrequencyGrid::of(&spectrum)?;
        let mask = grid.low_pass(0.3, d.place.dtype, &d.place.device)?;
        d.finish(vec![
            ("masked", spectrum.mask(&mask)?.into_tensor()),
            ("rings", grid.radial_average(&spectrum.power()?)?),
            ("shifted", fftshift(&x, [2usize, 3])?),
        ])
    }),
    ("adaptive pooling", |d| {
        let x = d.input("x", &[2, 50, 14, 9])?;
        d.finish(vec![
            ("channels", adaptive_avg_pool_channels(&x, 24)?),
            ("planes", adaptive_avg_pool2d(&x, [7, 4])?),
        ])
    }),
    ("spectral resize", |d| {
        let x = d.input("x", &[2, 5, 14, 14])?;
        d.finish(vec![
            ("up", resize(&x, [28, 17])?),
            ("down", resize(&x, [7, 6])?),
        ])
    }),
];
