//! From the names in files to those of timm's models, as timm's `clean_state_dict` and `checkpoint_filter_fn` do.

use std::collections::BTreeMap;

use super::source::Described;

/// What wrappers of modules (data parallelism, compilation) put before all names.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
/// Tensors that older programs stored and that follow from a model's sizes.
const BUFFERS: [&str; 2] = ["relative_position_index", "attn_mask"];
/// A tensor that only Microsoft's Swin files have: timm's first stage has no downsampling.
const OLD_SWIN: &str = "layers.0.downsample.reduction.weight";

/// Names of a file's tensors, by timm's.
#[derive(Default)]
pub(super) struct Names {
    /// From timm's name to the file's.
    pub of_file: BTreeMap<String, String>,
    /// What was done, in words.
    pub notes: Vec<String>,
}

impl Names {
    /// Finds timm's names for all `tensors` of a file for a model of this family, but for ignored buffers.
    pub fn new(family: &str, tensors: &BTreeMap<String, Described>) -> Self {
        let mut names = Self::default();
        let wrapped = names.wrapped(tensors);
        let old_swin = family == "swin" && tensors.contains_key(&format!("{wrapped}{OLD_SWIN}"));
        if old_swin {
            names.notes.push(
                "converted Microsoft's names to timm's: each downsampling goes to the next stage, `head` becomes \
                 `head.fc`"
                    .into(),
            );
        }
        let mut ignored = BTreeMap::<&str, usize>::new();
        for raw in tensors.keys() {
            let name = &raw[wrapped.len()..];
            let last = name.rsplit('.').next().unwrap_or(name);
            // A layer before DeiT's head that no published model has any more; timm drops it, too.
            let pre_logits = family == "deit" && name.starts_with("pre_logits.");
            if BUFFERS.contains(&last) || pre_logits {
                *ignored
                    .entry(if pre_logits { "pre_logits" } else { last })
                    .or_default() += 1;
                continue;
            }
            let name = if old_swin {
                of_microsoft(name)
            } else {
                name.to_string()
            };
            names.of_file.insert(name, raw.clone());
        }
        for (what, count) in ignored {
            names
                .notes
                .push(format!("passed over tensors named `{what}` ({count})"));
        }
        names
    }

    /// What stands before all names.
    fn wrapped(&mut self, tensors: &BTreeMap<String, Described>) -> String {
        let mut prefix = String::new();
        while let Some(next) = WRAPPERS.iter().find(|&wrapper| {
            let longer = format!("{prefix}{wrapper}");
            !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(&longer))
        }) {
            prefix.push_str(next);
        }
        if !prefix.is_empty() {
            self.notes.push(format!("took `{prefix}` from the names"));
        }
        prefix
    }
}

/// timm's name of a tensor in Microsoft's Swin files. Merged patches are in the same order in both.
fn of_microsoft(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("head.") {
        return format!("head.fc.{rest}");
    }
    let moved = || {
        let (stage, rest) = name.strip_prefix("layers.")?.split_once('.')?;
        let stage: usize = stage.parse().ok()?;
        let next = stage.checked_add(1)?;
        rest.starts_with("downsample.")
            .then(|| format!("layers.{next}.{rest}"))
    };
    moved().unwrap_or_else(|| name.to_string())
}
