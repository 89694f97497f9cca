//! The cases without an optimiser: inference, and a loss by itself.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Var};
use spectralkd_losses::{spectral_loss, spectral_loss_by_fft};
use spectralkd_models::Taps;
use spectralkd_nn::Pass;

use crate::case::{Form, Length, Named};
use crate::drawn;
use crate::error::{Error, Result};
use crate::runs::{Timing, repeat};

/// Forward passes of a frozen model to the logits.
pub(crate) fn infer(
    model: &Named,
    batch: usize,
    length: Length,
    device: &Device,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let network = drawn::frozen(&model.config, device)?;
    let images = drawn::images(&model.config, batch, device)?;
    repeat(length, device, interrupt, || {
        black_box(network.forward(&images, &Taps::None, &Pass::eval())?);
        Ok(())
    })
}

/// The spectral loss of a pair of maps of this shape, and its gradient with respect to the student's.
pub(crate) fn loss(
    shape: [usize; 4],
    form: Form,
    length: Length,
    device: &Device,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let student = drawn::numbers("student's features", &shape, device)?;
    let student = Var::from_tensor(&student)?;
    let teacher = drawn::numbers("teacher's features", &shape, device)?;
    let loss = match form {
        Form::Parseval => spectral_loss,
        Form::Fft => spectral_loss_by_fft,
    };
    repeat(length, device, interrupt, || {
        let gradients = loss(&student, &teacher)?.backward()?;
        let gradient = gradients.get(&student);
        black_box(gradient.ok_or(Error::NoGradient)?);
        Ok(())
    })
}
