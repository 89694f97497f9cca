//! Every kind of loss, with its keys at what reaches its branches.

use std::collections::BTreeSet;

use candle_core::Tensor;
use spectralkd_base::random::Stream;
use spectralkd_losses::kinds::spectral_band::Band;
use spectralkd_losses::kinds::{
    CrossEntropy, Dist, FitNets, Hard, Kl, Manifold, Mse, Rkd, Spectral, SpectralBand,
};
use spectralkd_losses::{
    Grid, Head, Inputs, Loss, Objectives, Outputs, Pairs, Reduction, Request, Shapes, Spec, Width,
    spectral_loss_by_fft,
};

use super::case::{Case, Tensors};
use super::draw::{Draw, SEED, labels};
use crate::error::Result;

const BATCH: usize = 16;
const CLASSES: usize = 100;
/// `[C, H, W]` of the student's maps, and of the teacher's: wider, the same, and on another grid.
const STUDENT: [[usize; 3]; 1] = [[24, 14, 14]];
const TEACHER: [[usize; 3]; 3] = [[48, 14, 14], [24, 14, 14], [24, 7, 7]];

pub(super) fn cases() -> Vec<Case> {
    let case = |(name, spec): (&'static str, Spec)| {
        let soft = name.ends_with("soft targets");
        let loss = Loss::new(spec, 1.0);
        Case::drawn("loss", name, move |d| objective(d, &loss, soft))
    };
    let by_fft = [(7, "spectral by FFT, 7x7"), (56, "spectral by FFT, 56x56")];
    let by_fft = by_fft.map(|(side, name)| {
        Case::drawn("loss", name, move |d| {
            let student = d.input("student", &[2, 24, side, side])?;
            let teacher = d.wide("teacher", &[2, 48, side, side])?;
            d.finish(vec![("loss", spectral_loss_by_fft(&student, &teacher)?)])
        })
    });
    specs().into_iter().map(case).chain(by_fft).collect()
}

/// What is computed, by name.
pub(super) fn specs() -> Vec<(&'static str, Spec)> {
    let pair = |teacher| Pairs::Listed(vec![(0, teacher)]);
    let smooth = CrossEntropy {
        smoothing: 0.1,
        ..CrossEntropy::default()
    };
    let spectral = |teacher, width, grid| {
        let pairs = pair(teacher);
        Spec::from(Spectral { pairs, width, grid })
    };
    let band = |band, cutoff| {
        Spec::from(SpectralBand {
            band,
            cutoff,
            pairs: pair(0),
            width: Width::Pool,
            grid: Grid::Same,
        })
    };
    let mse = |teacher, matched| {
        Spec::from(Mse {
            pairs: pair(teacher),
            matched,
            ..Mse::default()
        })
    };
    vec![
        ("cross entropy, smoothed", smooth.clone().into()),
        ("cross entropy, soft targets", smooth.into()),
        (
            "KL, tau 2",
            Kl {
                tau: 2.0,
                ..Kl::default()
            }
            .into(),
        ),
        ("hard labels", Hard::default().into()),
        ("DIST", Dist::default().into()),
        ("spectral, pooled", spectral(0, Width::Pool, Grid::Same)),
        ("spectral", spectral(1, Width::Pool, Grid::Same)),
        (
            "spectral, projected, other grid",
            spectral(2, Width::Project, Grid::SpectralResize),
        ),
        ("spectral, low band", band(Band::Low, Some(0.25))),
        ("spectral, high band", band(Band::High, Some(0.25))),
        ("spectral, zero frequency", band(Band::Dc, None)),
        ("MSE, pooled", mse(0, false)),
        ("MSE, matched", mse(1, true)),
        (
            "FitNets",
            FitNets {
                pairs: pair(0),
                ..FitNets::default()
            }
            .into(),
        ),
        (
            "manifold",
            Manifold {
                pairs: pair(0),
                ..Manifold::default()
            }
            .into(),
        ),
        (
            "RKD",
            Rkd {
                pairs: pair(0),
                ..Rkd::default()
            }
            .into(),
        ),
    ]
}

/// The terms of a loss, and the gradients of its total.
fn objective(d: &Draw, loss: &Loss, soft: bool) -> Result<Tensors> {
    let (student, teacher) = (shapes(&STUDENT), shapes(&TEACHER));
    let losses = std::slice::from_ref(loss);
    let objectives =
        Objectives::build(losses, &student, Some(&teacher), &d.wide_vb(), &|_| Ok(0.7))?;
    let needs = objectives.needs_at(0);
    let own = outputs(
        &needs.student,
        |name, shape| d.input(&format!("student {name}"), shape),
        &student,
    )?;
    let taught = outputs(
        &needs.teacher,
        |name, shape| d.wide(&format!("teacher {name}"), shape),
        &teacher,
    )?;
    let labels = labels(BATCH, CLASSES, &d.place.device)?;
    // Shares of the classes: positive, of sum 1.
    let shares = d.wide("targets", &[BATCH, CLASSES])?.exp()?;
    let shares = shares.broadcast_div(&shares.sum_keepdim(1)?)?;
    let inputs = Inputs {
        student: &own,
        teacher: &taught,
        labels: Some(&labels),
        targets: soft.then_some(&shares),
        draws: &Stream::new(SEED, "losses"),
    };
    let sum = objectives.forward(&inputs, 0)?;
    let mut all: Vec<(&str, Tensor)> = vec![("total", sum.total)];
    // The total alone carries the gradients that are compared.
    let terms = sum.terms.iter();
    all.extend(terms.map(|(name, value)| (name.as_str(), value.detach())));
    d.finish(all)
}

fn shapes(taps: &[[usize; 3]]) -> Shapes {
    Shapes {
        classes: CLASSES,
        heads: vec![Head::Mean],
        taps: taps.to_vec(),
        prefix: 1,
    }
}

/// What is asked of a model, drawn.
fn outputs(
    requests: &BTreeSet<Request>,
    draw: impl Fn(&str, &[usize]) -> Result<Tensor>,
    shapes: &Shapes,
) -> Result<Outputs> {
    let mut answers = Outputs::new();
    for request in requests {
        let answer = match *request {
            Request::Map { tap, reduction } => {
                let [c, h, w] = shapes.taps[tap];
                let whole = Request::Map {
                    tap,
                    reduction: Reduction::Whole,
                };
                reduction.apply(&draw(&whole.to_string(), &[BATCH, c, h, w])?)?
            }
            _ => draw(&request.to_string(), &[BATCH, CLASSES])?,
        };
        answers.insert(*request, answer);
    }
    Ok(answers)
}
