//! Transforms with wrong bins.

use candle_core::{D, Result as CandleResult, Tensor};
use spectralkd_spectral::properties::{Fourier, round_trip};
use spectralkd_spectral::{Norm, Spectrum, fftshift, irfft2, rfft2};

use super::{CLAIM, assert_caught, input, right};

/// Numbers with one column of the last axis replaced by zeros.
fn without_column(x: &Tensor, column: usize) -> CandleResult<Tensor> {
    let last = x.rank() - 1;
    let parts = [
        x.narrow(last, 0, column)?,
        x.narrow(last, column, 1)?.zeros_like()?,
        x.narrow(last, column + 1, x.dims()[last] - column - 1)?,
    ];
    Tensor::cat(&parts, last)
}

#[test]
fn a_wrong_norm() {
    for norm in [Norm::Backward, Norm::Forward] {
        assert_caught(
            "a wrong norm",
            |x| Ok(rfft2(x, norm)?.into_tensor()),
            &[
                "definition",
                "Parseval",
                "impulse response",
                "constant response",
            ],
        );
    }
}

#[test]
fn a_dropped_nyquist_column() {
    assert_caught(
        "the column set to zero",
        |x| Ok(without_column(right(x)?.as_tensor(), 4)?),
        &["definition", "Parseval", "impulse response"],
    );
    // Where the column is missing altogether, every property of the bins says so.
    let short = |x: &Tensor| Ok(right(x)?.as_tensor().narrow(3, 0, 4)?);
    let bins = [
        "definition",
        "Parseval",
        "Hermitian symmetry",
        "shift theorem",
        "impulse response",
        "constant response",
    ];
    assert_caught("the column left out", short, &bins);
    let message = Fourier::rfft2(CLAIM).parseval(&input(), short).unwrap_err();
    assert!(
        message
            .to_string()
            .contains("[2, 2, 6, 4], expected [2, 2, 6, 5]")
    );
    // And an inverse that ignores it gives the signal back incomplete.
    let forgetful = |s: &Spectrum| {
        let data = without_column(s.as_tensor(), 4)?;
        irfft2(&Spectrum::from_half(&data, (1, 2), 8, CLAIM)?, 8, CLAIM)
    };
    assert!(round_trip(&input(), right, forgetful).is_err());
    assert!(Fourier::rfft2(CLAIM).inverse(&input(), forgetful).is_err());
    let proper = |s: &Spectrum| irfft2(s, 8, CLAIM);
    round_trip(&input(), right, proper).unwrap();
    Fourier::rfft2(CLAIM).inverse(&input(), proper).unwrap();
}

#[test]
fn a_conjugated_transform() {
    assert_caught(
        "the exponent's sign turned",
        |x| Ok(right(x)?.conj()?.into_tensor()),
        &["definition", "shift theorem", "impulse response"],
    );
}

#[test]
fn shifted_bins() {
    // Half-way round, every bin's mirror image stays its mirror image.
    assert_caught(
        "the zero frequency in the middle",
        |x| fftshift(right(x)?.as_tensor(), 2),
        &[
            "definition",
            "shift theorem",
            "impulse response",
            "constant response",
        ],
    );
    assert_caught(
        "every bin one too far",
        |x| Ok(right(x)?.as_tensor().roll(1, 2)?),
        &[
            "definition",
            "Hermitian symmetry",
            "shift theorem",
            "impulse response",
            "constant response",
        ],
    );
}

#[test]
fn a_sign_error() {
    assert_caught(
        "minus the transform",
        |x| Ok(right(x)?.into_tensor().neg()?),
        &["definition", "impulse response", "constant response"],
    );
}

#[test]
fn a_transform_over_the_wrong_axes() {
    assert_caught(
        "one axis left out, its norm right",
        |x| {
            let rows = spectralkd_spectral::rfft(x, D::Minus1, CLAIM)?;
            Ok(rows.into_tensor())
        },
        &[
            "definition",
            "Hermitian symmetry",
            "shift theorem",
            "impulse response",
            "constant response",
        ],
    );
}

#[test]
fn what_is_not_linear() {
    assert_caught(
        "negative imaginary parts clipped",
        |x| {
            let spectrum = right(x)?;
            Ok(Tensor::stack(&[spectrum.re()?, spectrum.im()?.relu()?], 0)?)
        },
        &[
            "definition",
            "Parseval",
            "Hermitian symmetry",
            "shift theorem",
            "impulse response",
            "linear",
        ],
    );
}
