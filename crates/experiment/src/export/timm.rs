//! A finished run as a folder that timm opens and the hub takes.

use std::path::{Path, PathBuf};

use candle_core::Device;
use spectralkd_base::digest::file_sha256;
use spectralkd_models::export::{self, Card, Exported, Preprocessing};
use spectralkd_models::weights;

use crate::config;
use crate::error::{Error, Result};
use crate::folder::CONFIG;
use crate::manifest::{Manifest, read_json};
use crate::results::{RunResult, Scores};

/// What was exported.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The model card's title.
    pub title: String,
    /// timm's entrypoint, whose sizes the folder's `config.json` overrides.
    pub architecture: String,
    /// The folder with absolute path.
    pub folder: PathBuf,
}

/// Exports the run in `run`, a folder `<variant>/seed-<n>` of a run folder, to the folder `to`: weights under
/// timm's names (with `average` their moving average), `config.json`, and a model card with the run's results from its
/// manifest.
///
/// # Errors
/// `run` is no folder of a finished student (the error lists those nearby), it has no average, a file of it is damaged,
/// or `to` cannot be written or holds something else.
pub fn export(run: &Path, to: &Path, average: bool) -> Result<Summary> {
    let (root, weights) = locate(run)?;
    let experiment = config::load(&root.join(CONFIG), None, &[])?;
    let result: RunResult = read_json(&run.join("result.json"))?;
    let variant = experiment.variant(&result.variant).ok_or_else(|| {
        Error::Export(format!(
            "`{}` is no student of {}: only students are models of timm's",
            result.variant,
            root.display()
        ))
    })?;
    let (trained, scores) = match (average, result.average) {
        (false, _) => (weights, result.scores),
        (true, Some(scores)) => (run.join("average.safetensors"), scores),
        (true, None) => {
            return Err(Error::Export(format!(
                "{} has no average of its weights: `train.ema` was not set",
                run.display()
            )));
        }
    };
    let manifest = Manifest::read(&root.join("manifest.json"))?
        .ok_or_else(|| Error::Export(format!("{} has no manifest.json", root.display())))?;
    let student = &manifest.student;
    let tensors = weights::load(&trained, &student.model, &Device::Cpu)?;
    let label = variant.label();
    let (in_title, in_tag) = match average {
        true => (", moving average of the weights", "_average"),
        false => ("", ""),
    };
    let title = format!(
        "{} ({}): {label}, seed {}{in_title}",
        experiment.name, experiment.profile, result.seed
    );
    let wide = |values: &[f32]| values.iter().map(|&v| shortest(v)).collect();
    let preprocessing = Preprocessing {
        interpolation: "bicubic".into(),
        crop_pct: student.crop_pct,
        mean: wide(&student.mean),
        std: wide(&student.std),
    };
    let classes = &student.classes;
    export::folder(
        to,
        &Exported {
            config: &student.model,
            weights: &tensors,
            preprocessing: &preprocessing,
            tag: Some(&format!("{}_seed{}{in_tag}", result.variant, result.seed)),
            label_names: (classes.len() == student.model.num_classes()).then_some(classes),
            label_descriptions: None,
            card: Card {
                title: &title,
                summary: &format!(
                    "A student of the experiment `{}` of SpectralKD, which asks: {} This one was trained with {label}.",
                    experiment.name, experiment.title
                ),
                training: &training(&manifest, &result, &trained)?,
                results: &results(&manifest, scores),
                license: None,
            },
        },
    )?;
    let folder = std::path::absolute(to).unwrap_or_else(|_| to.to_owned());
    Ok(Summary {
        title,
        architecture: export::read_config(to)?.architecture,
        folder,
    })
}

/// The run folder, and the weights' file.
fn locate(run: &Path) -> Result<(PathBuf, PathBuf)> {
    let trained = run.join("weights.safetensors");
    let absolute = std::path::absolute(run).unwrap_or_else(|_| run.to_owned());
    let root = absolute.ancestors().nth(2).unwrap_or(&absolute);
    if trained.is_file() && run.join("result.json").is_file() && root.join(CONFIG).is_file() {
        return Ok((root.to_owned(), trained));
    }
    let mut runs = Vec::new();
    for depth in ["", "*/"] {
        finished(run, depth.len(), &mut runs);
    }
    runs.sort();
    runs.dedup();
    let hint = match runs.as_slice() {
        [] => "give a folder such as runs/headline/quick/spectral/seed-0 whose training has ended"
            .to_owned(),
        runs => {
            let runs: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
            format!("there are {}", runs.join(", "))
        }
    };
    Err(Error::Export(format!(
        "{} is no finished run: {hint}",
        run.display()
    )))
}

/// Finished runs one or two folders below `folder`.
fn finished(folder: &Path, deeper: usize, runs: &mut Vec<PathBuf>) {
    // A hint for an error that is on its way: what cannot be listed is left out.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.join("result.json").is_file() && path.join("weights.safetensors").is_file() {
            runs.push(path);
        } else if deeper > 0 && path.is_dir() {
            finished(&path, 0, runs);
        }
    }
}

/// The f64 that is written as this f32 is: 0.286, not 0.28600001335144043.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// How the weights came about, as Markdown.
fn training(manifest: &Manifest, result: &RunResult, trained: &Path) -> Result<String> {
    let mut text = format!(
        "{} epochs on {} images ({}), seed {}, {:.1} minutes.\n",
        result.epochs,
        manifest.data.train_images,
        manifest.data.origin,
        result.seed,
        result.seconds / 60.0
    );
    if let Some(teacher) = &manifest.teacher {
        text += &format!(
            "\nTeacher: `{}` (sha256 `{}`){}.\n",
            teacher.weights,
            teacher.sha256,
            teacher.top1.map_or_else(String::new, |top1| format!(
                ", {top1:.2} % top-1 on the same test images"
            ))
        );
    }
    if let Some(first) = &manifest.student.weights {
        text += &format!(
            "\nStarted from: `{}` (sha256 `{}`).\n",
            first.weights, first.sha256
        );
    }
    if let Some(call) = manifest.invocations.last() {
        let source = &call.provenance;
        text += &format!(
            "\n- command: `{}`\n- SpectralKD {}, git revision `{}`\n- machine: {}\n- started: {}\n",
            source.command, source.version, source.revision, call.machine, call.started
        );
    }
    text += &format!(
        "- training images' sha256: `{}`\n- weights in the run folder, sha256: `{}`\n",
        manifest.data.train_sha256,
        file_sha256(trained)?
    );
    Ok(text)
}

/// What the weights reach, as Markdown.
fn results(manifest: &Manifest, scores: Scores) -> String {
    format!(
        "| images | top-1 % | top-5 % | loss (nats) |\n|---|---|---|---|\n| {} test images | {:.2} | {:.2} | {:.4} |\n\n\
         One seed: differences between variants need several, see the run's report.\n",
        manifest.data.test_images, scores.top1, scores.top5, scores.loss
    )
}
