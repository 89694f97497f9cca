//! What a run can and cannot say, from what it was.

use spectralkd_losses::Spec;

use crate::config::Experiment;
use crate::manifest::Manifest;
use crate::results::Table;

/// The limits of this run, one sentence or two each.
pub fn limits(experiment: &Experiment, table: &Table, manifest: Option<&Manifest>) -> Vec<String> {
    let mut limits = Vec::new();
    if let Some(c) = &experiment.comparison {
        limits.push(format!(
            "It judges the claim at this size only: {} epochs, {} seeds, these models and images. A verdict \
             here is evidence about the loss, not about ImageNet, where the paper's numbers are from.",
            experiment.train.epochs, experiment.seeds.len(),
        ));
        limits.push(format!(
            "The effect size ({} {}), the seeds, the pairs of layers and the weights were fixed before the runs. The \
             interval is Student's over paired seeds; with {} seeds it is wide, and “undecided” is the likely answer \
             to a small difference.",
            c.effect, super::POINTS, experiment.seeds.len(),
        ));
    }
    let matched = experiment.variants.iter().find_map(|variant| {
        let losses = variant.losses.iter();
        let matched = |spec: &Spec| matches!(spec, Spec::Mse(mse) if mse.matched);
        let last = losses.rev().find(|loss| matched(&loss.spec));
        last.map(|loss| (variant, loss.weight.at(0)))
    });
    if let (Some((variant, weight)), Some(ratio)) =
        (matched, manifest.and_then(|m| m.spectral_to_mse))
    {
        limits.push(format!(
            "By Parseval's theorem the spectral loss is a plain squared error in which the constant and alternating \
             parts along the width count double, halved. On this teacher's pooled features it is {ratio:.4} times the \
             plain MSE, so the control “{}” runs at weight {weight} × {ratio:.4} = {:.4}. What it reaches needs no Fourier transform.",
            variant.label(), weight * ratio,
        ));
    }
    if let Some(made) = manifest
        .and_then(|m| m.teacher.as_ref())
        .and_then(|t| t.made.as_ref())
    {
        let students = manifest.map_or(0, |m| m.data.train_images);
        limits.push(format!(
            "The teacher has seen more: it was trained on {} images, the students see {students}. Part of what \
             distillation gives here is knowledge of those other images. All distilled variants share this advantage.",
            made.data.train_images,
        ));
    }
    if let Some(floor) = &table.floor {
        limits.push(format!(
            "A linear classifier on pixels reaches {:.2} % (mean of {} seeds): accuracies below it need no transformer.",
            floor.top1.mean, floor.top1.n,
        ));
    }
    if experiment.data.flip && experiment.data.only_flips() {
        limits.push(
            "Flips are the only augmentation, so that the teacher's outputs are exact and computed once; the paper's \
             recipe augments much more."
                .into(),
        );
    }
    limits.push(
        "Spectra along channels depend on the arbitrary order of channels; no random orders are drawn in this \
         report (cargo xtask analyze draws them), so shapes away from bin 0 should not be read as a finding."
            .into(),
    );
    limits.push(
        "The same command on the same machine gives the same bits, with any number of threads. On another processor \
         rounding differs, and single runs with it."
            .into(),
    );
    limits
}
