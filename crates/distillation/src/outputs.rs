//! A model's answers to what losses ask of it.

use std::collections::BTreeSet;

use candle_core::Tensor;
use spectralkd_losses::{Head, Outputs, Request};
use spectralkd_models::{Output, Taps, VisionModel, Wanted};
use spectralkd_nn::Pass;

use crate::error::Result;

/// Runs a model on `images` [B, C, H, W] (normalised) and gives what is asked for; no other map is made. Gradients
/// flow through all of it.
///
/// # Errors
/// Images of another shape, a tap, head or prefix that the model does not have.
pub fn outputs(
    model: &dyn VisionModel,
    images: &Tensor,
    requests: &BTreeSet<Request>,
    pass: &Pass,
) -> Result<Outputs> {
    let output = model.outputs(images, &wanted(requests), pass)?;
    let mut answers = Outputs::new();
    for request in requests {
        // A request without an answer is an error of whoever reads it, which names it.
        if let Some(answer) = answer(&output, *request)? {
            answers.insert(*request, answer);
        }
    }
    Ok(answers)
}

/// The taps whose maps and prefix tokens are asked for.
fn wanted(requests: &BTreeSet<Request>) -> Wanted {
    let mut wanted = (BTreeSet::new(), BTreeSet::new());
    for request in requests {
        match request {
            Request::Map { tap, .. } => wanted.0.insert(*tap),
            Request::Prefix { tap } => wanted.1.insert(*tap),
            Request::Logits(_) => false,
        };
    }
    let taps = |taps: BTreeSet<usize>| {
        if taps.is_empty() {
            Taps::None
        } else {
            taps.into_iter().collect()
        }
    };
    Wanted {
        maps: taps(wanted.0),
        prefix: taps(wanted.1),
    }
}

fn answer(output: &Output, request: Request) -> Result<Option<Tensor>> {
    let of = |list: &[(usize, Tensor)], wanted: usize| {
        let found = list.iter().find(|(tap, _)| *tap == wanted);
        found.map(|(_, tensor)| tensor.clone())
    };
    Ok(match request {
        Request::Logits(Head::Mean) => Some(output.logits.clone()),
        Request::Logits(Head::Class) => Some(output.heads.class.clone()),
        Request::Logits(Head::Distillation) => output.heads.distillation.clone(),
        Request::Prefix { tap } => of(&output.prefix, tap),
        Request::Map { tap, reduction } => match of(&output.features, tap) {
            Some(map) => Some(reduction.apply(&map)?),
            None => None,
        },
    })
}
