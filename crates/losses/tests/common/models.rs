//! A student and a teacher that exist as shapes only, and made-up outputs of them.

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use spectralkd_base::random::Stream;
use spectralkd_losses::{
    Head, Inputs, Loss, Objectives, Outputs, Pair, Reduction, Request, Result, Shapes,
};
use spectralkd_nn::Params;

use spectralkd_testing::{scalar, tensor};

pub fn losses(list: Value) -> Vec<Loss> {
    serde_json::from_value(list).unwrap()
}

/// A distilled student of four channels on a 4x4 grid, and one block on another grid.
pub fn student() -> Shapes {
    let heads = vec![Head::Mean, Head::Class, Head::Distillation];
    let taps = vec![[4, 4, 4], [4, 4, 4], [6, 2, 2]];
    Shapes {
        classes: 5,
        heads,
        taps,
        prefix: 2,
    }
}

pub fn teacher() -> Shapes {
    let taps = vec![[8, 4, 4], [4, 4, 4], [4, 2, 2]];
    Shapes {
        classes: 5,
        heads: vec![Head::Mean, Head::Class],
        taps,
        prefix: 1,
    }
}

pub fn no_ratio(_: &[Pair]) -> Result<f64> {
    panic!("nobody asks for the ratio")
}

pub fn build(list: Value, params: &Params) -> Result<Objectives> {
    let root = params.builder(&Stream::new(3, "init"), DType::F64, &Device::Cpu);
    Objectives::build(
        &losses(list),
        &student(),
        Some(&teacher()),
        &root,
        &no_ratio,
    )
}

pub fn map(tap: usize) -> Request {
    Request::Map {
        tap,
        reduction: Reduction::Whole,
    }
}

pub fn pooled(tap: usize, channels: usize) -> Request {
    Request::Map {
        tap,
        reduction: Reduction::Channels(channels),
    }
}

pub const LOGITS: Request = Request::Logits(Head::Mean);

/// Outputs of a model of these shapes, whatever is asked for.
pub fn outputs(seed: u64, shapes: &Shapes, requests: impl IntoIterator<Item = Request>) -> Outputs {
    let answer = |request| {
        let output = match request {
            Request::Logits(_) => tensor(seed, &[3, shapes.classes]),
            Request::Map { tap, reduction } => {
                let [c, h, w] = shapes.taps[tap];
                reduction
                    .apply(&tensor(seed + 1 + tap as u64, &[3, c, h, w]))
                    .unwrap()
            }
            Request::Prefix { .. } => tensor(seed, &[3, shapes.prefix, 4]),
        };
        (request, output)
    };
    requests.into_iter().map(answer).collect()
}

/// Runs objectives in an epoch on made-up outputs, the student's as given.
pub fn forward(objectives: &Objectives, epoch: u64, ours: &Outputs) -> Result<Vec<(String, f64)>> {
    let theirs = outputs(20, &teacher(), objectives.needs_at(epoch).teacher);
    let labels = Tensor::new(&[0u32, 4, 2], &Device::Cpu).unwrap();
    let draws = Stream::new(0, "step");
    let inputs = Inputs {
        student: ours,
        teacher: &theirs,
        labels: Some(&labels),
        targets: None,
        draws: &draws,
    };
    let sum = objectives.forward(&inputs, epoch)?;
    let mut terms: Vec<(String, f64)> = sum
        .terms
        .iter()
        .map(|(name, value)| (name.clone(), scalar(value)))
        .collect();
    terms.push(("total".to_owned(), scalar(&sum.total)));
    Ok(terms)
}

pub fn all_student_outputs() -> Outputs {
    let heads = [Head::Mean, Head::Class, Head::Distillation].map(Request::Logits);
    outputs(
        10,
        &student(),
        heads.into_iter().chain([map(0), map(1), map(2)]),
    )
}
