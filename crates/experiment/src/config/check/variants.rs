//! Checks of `[[variants]]` and `[comparison]`.

use spectralkd_base::nearest;

use super::{Fail, positive};
use crate::config::raw::{RawComparison, RawFeature, RawLogits, RawVariant};
use crate::config::valid::{Comparison, Feature, Logits, Variant};
use crate::error::Result;

pub(super) fn variant(raw: &RawVariant, index: usize, fail: &Fail<'_>) -> Result<Variant> {
    let key = |name: &str| format!("variants.{index}.{name}");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if raw.name.is_empty() || !raw.name.chars().all(plain) {
        let message = "a folder gets this name: use letters, digits, - and _".to_owned();
        return Err(fail(&key("name"), message).into());
    }
    let logits = match raw.logits {
        RawLogits::None => Logits::None,
        RawLogits::FeaturesOnly => Logits::FeaturesOnly,
        RawLogits::Soft => Logits::Soft,
        RawLogits::Hard => Logits::Hard,
    };
    let feature = raw.feature.map(|f| match f {
        RawFeature::Spectral => Feature::Spectral,
        RawFeature::SpectralParseval => Feature::SpectralParseval,
        RawFeature::Mse => Feature::Mse,
        RawFeature::MseMatched => Feature::MseMatched,
    });
    let message = match (logits, feature, raw.weight) {
        (Logits::None, Some(_), _) => Some("a feature loss needs a teacher: choose other `logits`"),
        (Logits::FeaturesOnly, None, _) => Some("`features-only` needs a `feature`"),
        (_, None, Some(_)) => Some("`weight` belongs to a `feature`, which is not given"),
        (_, Some(_), None) => {
            Some("a feature loss needs a `weight` (the paper's w_fft, 0.2 for DeiT)")
        }
        (_, Some(_), Some(w)) if !positive(w) => Some("`weight` must be a positive number"),
        _ => None,
    };
    if let Some(message) = message {
        return Err(fail(&format!("variants.{index}"), message.to_owned()).into());
    }
    Ok(Variant {
        label: raw.label.clone().unwrap_or_else(|| raw.name.clone()),
        name: raw.name.clone(),
        logits,
        feature,
        weight: raw.weight.unwrap_or(0.0),
    })
}

pub(super) fn comparison(
    raw: &RawComparison,
    variants: &[Variant],
    fail: &Fail<'_>,
) -> Result<Comparison> {
    let names = || variants.iter().map(|v| v.name.as_str());
    let references = [
        ("baseline", Some(&raw.baseline)),
        ("candidate", Some(&raw.candidate)),
        ("control", raw.control.as_ref()),
        ("undistilled", raw.undistilled.as_ref()),
    ];
    for (key, name) in references {
        let Some(name) = name else { continue };
        if !names().any(|n| n == name) {
            let near = nearest(name, names()).map(|n| format!("; did you mean `{n}`?"));
            let message = format!("no variant is named `{name}`{}", near.unwrap_or_default());
            return Err(fail(&format!("comparison.{key}"), message).into());
        }
    }
    if raw.baseline == raw.candidate {
        return Err(fail(
            "comparison.candidate",
            "must differ from the baseline".into(),
        )
        .into());
    }
    if !(raw.effect.is_finite() && raw.effect >= 0.0) {
        return Err(fail("comparison.effect", "must not be negative".into()).into());
    }
    let confidence = raw.confidence.unwrap_or(0.95);
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(fail("comparison.confidence", "must lie between 0 and 1".into()).into());
    }
    Ok(Comparison {
        baseline: raw.baseline.clone(),
        candidate: raw.candidate.clone(),
        control: raw.control.clone(),
        undistilled: raw.undistilled.clone(),
        effect: raw.effect,
        confidence,
    })
}
