//! Fixed texts of the report, and the facts of a manifest.

use crate::manifest::Manifest;

/// Above the learning curves.
pub const LEARNING: &str = "Distillation helps most at the start of training. A difference after a few epochs that \
    is gone after the last is a faster start, and a longer schedule may close any gap: read the curves before the table.";

/// Above the spectra.
pub const SPECTRA: &str = "Spectra are taken along the channel axis of each block's un-normed feature maps, on a \
    fixed batch of test images with equally many of each class. The order of channels in a network is arbitrary, so \
    only bin 0 and the total energy belong to the features alone; the logits-only student beside the spectral one \
    shows which patterns need no spectral loss.";

/// What a reader looks up first.
pub fn facts(manifest: &Manifest) -> Vec<(String, String)> {
    let mut facts = vec![(
        "Images".to_owned(),
        format!(
            "{} for training, {} for testing: {}",
            manifest.data.train_images, manifest.data.test_images, manifest.data.origin
        ),
    )];
    if let Some(t) = &manifest.teacher {
        facts.push((
            "Teacher".into(),
            format!(
                "{}{:.2} M parameters, sha256 {}…",
                t.top1
                    .map_or_else(String::new, |top1| format!("{top1:.2} % top-1, ")),
                t.params as f64 / 1e6,
                &t.sha256[..t.sha256.len().min(12)]
            ),
        ));
    }
    if let Some(ratio) = manifest.spectral_to_mse {
        facts.push((
            "Spectral loss over plain MSE on the teacher's features".into(),
            format!("{ratio:.4}"),
        ));
    }
    if let Some(call) = manifest.invocations.last() {
        facts.push((
            "Machine".into(),
            format!(
                "{}, {} threads, {}",
                call.machine, call.threads, call.device
            ),
        ));
        facts.push((
            "Code".into(),
            format!(
                "{} at {}",
                call.provenance.version, call.provenance.revision
            ),
        ));
        facts.push(("Command".into(), format!("`{}`", call.provenance.command)));
        facts.push(("Started".into(), call.started.clone()));
    }
    facts
}
