//! The cases without an optimiser: inference, and a loss by itself.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use candle_core::Var;
use spectralkd_losses::{spectral_loss, spectral_loss_by_fft};
use spectralkd_models::Taps;
use spectralkd_nn::Pass;

use super::case::{Form, Length, Named};
use super::drawn;
use super::runs::{Timing, repeat};
use crate::error::{Error, Result};

/// Forward passes of a frozen model to the logits.
pub(super) fn infer(
    model: &Named,
    batch: usize,
    length: Length,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let network = drawn::frozen(&model.config)?;
    let images = drawn::images(&model.config, batch)?;
    repeat(length, interrupt, || {
        black_box(network.forward(&images, &Taps::None, &Pass::eval())?);
        Ok(())
    })
}

/// The spectral loss of a pair of maps of this shape, and its gradient with respect to the student's.
pub(super) fn loss(
    shape: [usize; 4],
    form: Form,
    length: Length,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let student = Var::from_tensor(&drawn::numbers("student's features", &shape)?)?;
    let teacher = drawn::numbers("teacher's features", &shape)?;
    let loss = match form {
        Form::Parseval => spectral_loss,
        Form::Fft => spectral_loss_by_fft,
    };
    repeat(length, interrupt, || {
        let gradients = loss(&student, &teacher)?.backward()?;
        let gradient = gradients.get(&student);
        black_box(gradient.ok_or_else(|| Error::Speed("the loss gave no gradient".into()))?);
        Ok(())
    })
}
