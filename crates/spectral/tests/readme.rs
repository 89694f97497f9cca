//! The property test that the README shows, run as it stands there.

use candle_core::Tensor;
use spectralkd_spectral::{Norm, Result, Spectrum, fft, rfft};

/// A stand-in for the reader's own op: rows first, then columns.
fn my_rfft2(x: &Tensor, norm: Norm) -> Result<Spectrum> {
    fft(&rfft(x, x.rank() - 1, norm)?, x.rank() - 2, norm)
}

mod shown {
    use super::my_rfft2;
    // README: from here
    use proptest::prelude::*;
    use spectralkd_spectral::properties::{Fourier, norms, tensors};

    proptest! {
        #[test]
        fn mine_is_an_rfft2(x in tensors(&[1..=3, 1..=16, 1..=16]), norm in norms()) {
            Fourier::rfft2(norm).holds(&x, |x| my_rfft2(x, norm))?;
        }
    }
    // README: to here
}

#[test]
fn the_readme_shows_this_test() {
    let here = include_str!("readme.rs");
    let shown = here.split("// README: from here\n").nth(1).unwrap();
    let shown = shown.split("    // README: to here").next().unwrap();
    let shown: String = shown
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n")
        .collect();
    assert!(include_str!("../README.md").contains(&shown), "{shown}");
}
