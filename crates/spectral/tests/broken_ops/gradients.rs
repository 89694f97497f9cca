//! Backward passes and adjoints of right transforms that are wrong.

use candle_core::Tensor;
use spectralkd_spectral::properties::{adjoint, gradient};
use spectralkd_spectral::{Result, Spectrum, fft, ifft};

use super::{CLAIM, assert_caught, input, right};

/// The values of one tensor with the gradient of another.
fn with_gradient_of(values: &Tensor, slope: &Tensor) -> Result<Tensor> {
    Ok((values.detach() + (slope - slope.detach())?)?)
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
