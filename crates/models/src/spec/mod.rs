//! What a configuration file says of a model.

mod read;
mod write;

use crate::registry::{self, Entry};
use crate::{Error, ModelConfig, Result};

/// A model as a configuration file asks for it. In TOML one of
///
/// ```toml
/// model = "deit_tiny_patch16_224"       # a name of the registry; or with a tag, "swin_small_patch4_window7_224.ms_in1k"
/// ```
/// ```toml
/// [model]                               # such a name, and what is to be different
/// name = "deit_tiny_patch16_224"        # as above; the tag may also be the key `tag`
/// img_size = 96                         # pixels; or [height, width]
/// num_classes = 10
/// in_chans = 3
/// drop_path = 0.1
/// weights = "hf://timm/deit_tiny_patch16_224.fb_in1k"
/// ```
/// ```toml
/// [model]                               # a family, and all sizes of its configuration
/// family = "deit"
/// patch_size = 4
/// embed_dim = 48
/// depth = 4
/// num_heads = 3
/// # img_size, num_classes, in_chans: where they do not follow from elsewhere
/// # drop_path, weights: as above
/// ```
///
/// [`resolve`](Self::resolve) makes it a [`ModelConfig`]. What `weights` names is the caller's to read.
///
/// A mistake in a table is an error whose message [`spectralkd_base::inner_error::split`] takes apart: the key, and
/// what is wrong with it.
///
/// ```
/// use spectralkd_models::{Defaults, ModelSpec};
///
/// let spec = ModelSpec::named("cait_s24_224")?;
/// let of_the_data = Defaults { num_classes: Some(10), ..Defaults::default() };
/// let config = spec.resolve(&of_the_data)?;
/// assert_eq!((config.num_classes(), config.img_size()), (10, [224, 224]));
/// # Ok::<(), spectralkd_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Height and width of the images, pixels, where they are written.
    pub img_size: Option<[usize; 2]>,
    /// The number of logits, where it is written.
    pub num_classes: Option<usize>,
    /// Channels of the images, where they are written.
    pub in_chans: Option<usize>,
    /// The drop-path probability, where it is written.
    pub drop_path: Option<f64>,
    /// Where the weights are, in words that the caller understands (a path, `hf://…`).
    pub weights: Option<String>,
    architecture: Architecture,
}

/// The rest of it.
#[derive(Clone, Debug, PartialEq)]
enum Architecture {
    /// A name of the registry, and a tag where one is written.
    Named { name: String, tag: Option<String> },
    /// Sizes that are written out; those which [`ModelSpec`] has as keys of its own are fillers.
    Written(ModelConfig),
}

/// What a model's sizes are where its file does not say: those of the data, as a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The number of logits.
    pub num_classes: Option<usize>,
    /// Channels of the images.
    pub in_chans: Option<usize>,
    /// Height and width of the images, pixels.
    pub img_size: Option<[usize; 2]>,
}

impl ModelSpec {
    /// The keys of a table that has a `name`.
    pub const KEYS_BY_NAME: [&'static str; 7] = [
        "name",
        "tag",
        "weights",
        "img_size",
        "num_classes",
        "in_chans",
        "drop_path",
    ];

    /// A model of the registry, "cait_s24_224", perhaps with a tag, "swin_tiny_patch4_window7_224.ms_in22k".
    ///
    /// # Errors
    /// [`Error::UnknownModel`] and [`Error::UnknownTag`], with the nearest name and all there are.
    pub fn named(name: &str) -> Result<Self> {
        registry::find(name)?;
        let (name, tag) = match name.split_once('.') {
            Some((name, tag)) => (name, Some(tag.to_string())),
            None => (name, None),
        };
        let name = name.to_string();
        Ok(Self::new(Architecture::Named { name, tag }))
    }

    fn new(architecture: Architecture) -> Self {
        Self {
            img_size: None,
            num_classes: None,
            in_chans: None,
            drop_path: None,
            weights: None,
            architecture,
        }
    }

    /// The registry's entry, for a name of it: its preprocessing, and the repository of its weights.
    pub fn entry(&self) -> Option<Entry> {
        match &self.architecture {
            Architecture::Named { .. } => registry::find(&self.full_name()?).ok(),
            Architecture::Written(_) => None,
        }
    }

    /// Name and tag as they are written.
    fn full_name(&self) -> Option<String> {
        match &self.architecture {
            Architecture::Named { name, tag: None } => Some(name.clone()),
            Architecture::Named {
                name,
                tag: Some(tag),
            } => Some(format!("{name}.{tag}")),
            Architecture::Written(_) => None,
        }
    }

    /// The model's configuration: what is written; for the rest `defaults`; for what these do not have, the sizes of
    /// the registry's entry. Without `drop_path` there is none, whatever timm's model of that name starts with.
    ///
    /// # Errors
    /// [`Error::Config`] names the key that is at fault, and also one that is missing: sizes written out without
    /// `img_size`, `num_classes` or `in_chans`, where `defaults` has none.
    pub fn resolve(&self, defaults: &Defaults) -> Result<ModelConfig> {
        let (config, entry) = match (&self.architecture, self.entry()) {
            (Architecture::Written(sizes), _) => (sizes.clone(), None),
            (_, Some(entry)) => (entry.config.clone(), Some(entry.config)),
            // Every name has been looked up.
            (Architecture::Named { name, .. }, None) => return Err(registry::unknown(name)),
        };
        let of_entry = |size: fn(&ModelConfig) -> usize| entry.as_ref().map(size);
        let img_size = self.img_size.or(defaults.img_size);
        let img_size = img_size.or(entry.as_ref().map(ModelConfig::img_size));
        let classes = self.num_classes.or(defaults.num_classes);
        let classes = classes.or(of_entry(ModelConfig::num_classes));
        let channels = self.in_chans.or(defaults.in_chans);
        let channels = channels.or(of_entry(ModelConfig::in_chans));
        let config = config
            .with_img_size(given("img_size", img_size)?)
            .with_num_classes(given("num_classes", classes)?)
            .with_in_chans(given("in_chans", channels)?);
        // A name stands for a model, not for a recipe: timm's Swin would come with a drop path of 0.1.
        let drop_path = self.drop_path.unwrap_or(NO_DROP_PATH);
        let config = config.with_drop_path(drop_path);
        config.validate()?;
        Ok(config)
    }
}

fn given<T>(field: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::Config {
        field,
        value: "not given".into(),
        problem: "sizes that are written out need it, as it follows from nothing else here".into(),
    })
}

/// A model whose sizes are all written out.
impl From<ModelConfig> for ModelSpec {
    fn from(config: ModelConfig) -> Self {
        Self {
            img_size: Some(config.img_size()),
            num_classes: Some(config.num_classes()),
            in_chans: Some(config.in_chans()),
            drop_path: Some(config.drop_path()),
            weights: None,
            architecture: Architecture::Written(with_fillers(config)),
        }
    }
}

/// Drop path of a model whose file does not say.
const NO_DROP_PATH: f64 = 0.0;

/// The same sizes, with a 1 or what is usual in place of each that [`ModelSpec`] has as a key of its own.
fn with_fillers(config: ModelConfig) -> ModelConfig {
    config
        .with_img_size([1, 1])
        .with_num_classes(1)
        .with_in_chans(1)
        .with_drop_path(NO_DROP_PATH)
}
