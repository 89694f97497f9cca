//! The properties catch broken ops: each mistake is reported by the property that is meant for it,
//! which the right op passes on the same input.

use candle_core::{D, Result as CandleResult, Storage, Tensor};
use spectralkd_spectral::properties::{
    Fourier, TestCaseResult, adjoint, backward_is_adjoint, gradient, linear, pooling, resizing,
    round_trip, strides,
};
use spectralkd_spectral::{
    Norm, Result, Spectrum, adaptive_avg_pool_channels, fft, fft2, fftshift, ifft, irfft2, resize,
    rfft2,
};
use spectralkd_testing::tensor;

const CLAIM: Norm = Norm::Ortho;

/// A batch of planes with two even axes, so that both have a Nyquist frequency.
fn input() -> Tensor {
    tensor(11, &[2, 6, 8])
}

fn right(x: &Tensor) -> Result<Spectrum> {
    rfft2(x, CLAIM)
}

/// The properties that need the op alone, with their names in messages.
fn suite(
    x: &Tensor,
    op: &dyn Fn(&Tensor) -> Result<Tensor>,
) -> Vec<(&'static str, TestCaseResult)> {
    let claim = Fourier::rfft2(CLAIM);
    vec![
        ("definition", claim.definition(x, op)),
        ("Parseval", claim.parseval(x, op)),
        ("Hermitian symmetry", claim.hermitian(x, op)),
        ("shift theorem", claim.shift(x, op)),
        ("impulse response", claim.impulse(x, op)),
        ("constant response", claim.constant(x, op)),
        ("linear", linear(x, op)),
        ("backward is adjoint", backward_is_adjoint(x, op)),
        ("gradient", gradient(x, op)),
    ]
}

/// The properties that report a broken rfft2, which must be exactly these; its failure also stops
/// `holds`.
fn assert_caught(name: &str, op: impl Fn(&Tensor) -> Result<Tensor>, by: &[&str]) {
    let caught: Vec<_> = suite(&input(), &op)
        .into_iter()
        .filter_map(|(property, outcome)| {
            let message = outcome.err()?.to_string();
            assert!(message.contains(property), "{name}: {message}");
            Some(property)
        })
        .collect();
    assert_eq!(caught, by, "{name}");
    let held = Fourier::rfft2(CLAIM).holds(&input(), &op);
    assert!(held.is_err(), "{name} passes `holds`");
}

/// The values of one tensor with the gradient of another.
fn with_gradient_of(values: &Tensor, slope: &Tensor) -> Result<Tensor> {
    Ok((values.detach() + (slope - slope.detach())?)?)
}

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
fn the_right_op_passes_everything() {
    for (property, outcome) in suite(&input(), &|x| Ok(right(x)?.into_tensor())) {
        outcome.unwrap_or_else(|error| panic!("{property}: {error}"));
    }
    Fourier::rfft2(CLAIM).holds(&input(), right).unwrap();
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
fn a_conjugated_adjoint() {
    assert_caught(
        "a backward pass that conjugates",
        |x| {
            let spectrum = right(x)?;
            with_gradient_of(spectrum.as_tensor(), spectrum.conj()?.as_tensor())
        },
        &["backward is adjoint", "gradient"],
    );
    let complex = |x: &Tensor| Spectrum::from_full(x, (), CLAIM);
    let forward = |x: &Tensor| fft(&complex(x)?, 1, CLAIM);
    adjoint(&input(), forward, |y| ifft(&complex(y)?, 1, CLAIM)).unwrap();
    let conjugated = |y: &Tensor| fft(&complex(y)?, 1, CLAIM);
    let message = adjoint(&input(), forward, conjugated).unwrap_err();
    assert!(message.to_string().contains("<F x, y>"), "{message}");
}

#[test]
fn a_gradient_of_another_scale_or_none() {
    assert_caught(
        "a gradient twice too large",
        |x| {
            let spectrum = right(x)?.into_tensor();
            with_gradient_of(&spectrum, &(&spectrum * 2.0)?)
        },
        &["backward is adjoint", "gradient"],
    );
    assert_caught(
        "a gradient without the inner columns' halving",
        |x| {
            let spectrum = right(x)?.into_tensor();
            let inner = spectrum.narrow(3, 1, 3)?;
            let edges = [
                spectrum.narrow(3, 0, 1)?,
                (inner * 2.0)?,
                spectrum.narrow(3, 4, 1)?,
            ];
            with_gradient_of(&spectrum, &Tensor::cat(&edges, 3)?)
        },
        &["backward is adjoint", "gradient"],
    );
    assert_caught(
        "a gradient that stops",
        |x| Ok(right(x)?.as_tensor().detach()),
        &["backward is adjoint", "gradient"],
    );
    let message = gradient(&input(), |x| Ok::<_, candle_core::Error>(x.detach())).unwrap_err();
    assert!(message.to_string().contains("no gradient"), "{message}");
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

#[test]
fn an_op_that_ignores_strides() {
    let careless = |x: &Tensor| -> CandleResult<Tensor> {
        let (storage, _) = x.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            candle_core::bail!("on the CPU only")
        };
        let values = &storage.as_slice::<f64>()?[..x.elem_count()];
        Tensor::from_slice(values, x.shape(), x.device())
    };
    let strided = input().transpose(1, 2).unwrap();
    let message = strides(&strided, careless).unwrap_err().to_string();
    assert!(message.contains("strides"), "{message}");
    strides(&input(), careless).unwrap();
    strides(&strided, |x| fft2(x, CLAIM)).unwrap();
}

#[test]
fn pooling_with_bins_that_do_not_overlap() {
    let x = tensor(12, &[2, 10, 2, 2]);
    let disjoint = |x: &Tensor| -> CandleResult<Tensor> {
        let bins = (0..4).map(|i| {
            x.narrow(1, i * 10 / 4, (i + 1) * 10 / 4 - i * 10 / 4)?
                .mean_keepdim(1)
        });
        Tensor::cat(&bins.collect::<CandleResult<Vec<_>>>()?, 1)
    };
    let message = pooling(&x, &[1], &[4], disjoint).unwrap_err().to_string();
    assert!(message.contains("pooling"), "{message}");
    pooling(&x, &[1], &[4], |x| adaptive_avg_pool_channels(x, 4)).unwrap();
}

#[test]
fn resizing_that_doubles_the_nyquist_frequency() {
    let whole = |x: &Tensor| {
        let data = rfft2(x, Norm::Forward)?.into_tensor();
        let zeros = data.narrow(3, 0, 2)?.zeros_like()?;
        let data = Tensor::cat(&[data, zeros], 3)?;
        irfft2(
            &Spectrum::from_half(&data, (1, 2), 12, Norm::Forward)?,
            12,
            Norm::Forward,
        )
    };
    let message = resizing(&input(), &[2], &[12], whole)
        .unwrap_err()
        .to_string();
    assert!(message.contains("resizing"), "{message}");
    resizing(&input(), &[2], &[12], |x| resize(x, [6, 12])).unwrap();
}
