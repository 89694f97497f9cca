//! Where the ranks of a run become one: the mean of their gradients and losses over all images of a step.

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};
use crate::gradients::{Gradients, widest};
use crate::group::Group;
use crate::task::Parts;

/// Replaces the gradients by their mean over the images of all ranks, and gives the losses' means likewise and the
/// number of images, as tensors. A rank's numbers count as often as it has images.
///
/// One meeting: the gradients in the order of their names, the losses and the number of images lie in one flat tensor,
/// f32 or, where anything is, f64.
pub(crate) fn exchange(
    group: &mut dyn Group,
    gradients: &mut Gradients,
    parts: &Parts,
) -> Result<(Parts, Tensor)> {
    let losses: Vec<&Tensor> = std::iter::once(&parts.total)
        .chain(parts.parts.iter().map(|(_, tensor)| tensor))
        .collect();
    let dtype = widest(gradients.values().chain(losses.iter().copied()));
    let failed = || Error::tensor("laying out the gradients for the other ranks");
    let flat = lay_out(gradients, &losses, parts.samples, dtype).map_err(failed())?;
    let sum = group.sum(&flat)?;
    take_up(&sum, gradients, parts).map_err(failed())
}

/// Everything times the number of images, and that number.
fn lay_out(
    gradients: &Gradients,
    losses: &[&Tensor],
    images: u64,
    dtype: DType,
) -> candle_core::Result<Tensor> {
    let all = gradients.values().chain(losses.iter().copied());
    let all: Vec<Tensor> = all
        .map(|tensor| tensor.detach().flatten_all()?.to_dtype(dtype))
        .collect::<candle_core::Result<_>>()?;
    let numbers = (Tensor::cat(&all, 0)? * images as f64)?;
    let images = Tensor::new(&[images as f64], numbers.device())?.to_dtype(dtype)?;
    Tensor::cat(&[numbers, images], 0)
}

/// The means out of the sum.
fn take_up(
    sum: &Tensor,
    gradients: &mut Gradients,
    parts: &Parts,
) -> candle_core::Result<(Parts, Tensor)> {
    let numbers = sum.dim(0)? - 1;
    let images = sum.narrow(0, numbers, 1)?;
    let means = sum.narrow(0, 0, numbers)?.broadcast_div(&images)?;
    let mut at = 0;
    let mut next = |like: &Tensor| {
        let count = like.elem_count();
        let mean = means.narrow(0, at, count)?.reshape(like.shape())?;
        at += count;
        mean.to_dtype(like.dtype())
    };
    for gradient in gradients.values_mut() {
        *gradient = next(gradient)?;
    }
    let total = next(&parts.total)?;
    let mut means = Vec::with_capacity(parts.parts.len());
    for (name, part) in &parts.parts {
        means.push((name.clone(), next(part)?));
    }
    let parts = Parts {
        total,
        parts: means,
        samples: parts.samples,
    };
    Ok((parts, images.squeeze(0)?))
}
