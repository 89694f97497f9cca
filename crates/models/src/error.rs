//! The error of this crate.

use std::fmt;
use std::path::PathBuf;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a model, its configuration or its weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of a model's configuration cannot be used.
    #[error("the model's `{field}` is {value}: {problem}")]
    Config {
        /// The configuration's key.
        field: &'static str,
        /// The value found there.
        value: String,
        /// Why it cannot be used, and what could.
        problem: String,
    },

    /// A feature map was asked of a tap that the model does not have.
    #[error(
        "tap {asked} does not exist: the model has {taps}, so taps are 0 to {}, or -{taps} to -1 from the end",
        taps.saturating_sub(1)
    )]
    Tap {
        /// The index asked for.
        asked: isize,
        /// The number of taps.
        taps: usize,
    },

    /// The last taps were asked for, but that many there are not.
    #[error("the last {asked} taps were asked for: the model has {taps}, so it can be 1 to {taps}")]
    LastTaps {
        /// The number asked for.
        asked: usize,
        /// The number of taps.
        taps: usize,
    },

    /// Prefix tokens were asked for of a model whose taps have none.
    #[error(
        "the prefix tokens of tap {asked} were asked for, and the taps of this {family} have none: CaiT's class token \
         meets the patches after the tapped blocks, Swin has no such tokens; ask for feature maps, or take a DeiT"
    )]
    NoPrefix {
        /// The first tap asked for.
        asked: usize,
        /// The model's family, "cait" or "swin".
        family: &'static str,
    },

    /// The registry has no model of this name.
    #[error("no model is called `{name}`; the nearest is `{nearest}`. Known are {}", known.join(", "))]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The name that is the fewest edits away.
        nearest: &'static str,
        /// All names.
        known: Vec<&'static str>,
    },

    /// A model has no published weights under this tag.
    #[error(
        "`{model}` has no weights with the tag `{tag}`; the nearest is `{model}.{nearest}`. Its tags are {}",
        known.join(", ")
    )]
    UnknownTag {
        /// The model.
        model: &'static str,
        /// The tag asked for.
        tag: String,
        /// The tag that is the fewest edits away.
        nearest: &'static str,
        /// All tags of the model.
        known: Vec<&'static str>,
    },

    /// The images do not have the shape that the model was configured for.
    #[error(
        "images of shape {found:?} given to a model for [batch, {}, {}, {}] (channels, height, width): \
         resize the images, or set the model's `in_chans` and `img_size`", expected[0], expected[1], expected[2]
    )]
    Images {
        /// The shape of the images.
        found: Vec<usize>,
        /// The model's channels, height and width.
        expected: [usize; 3],
    },

    /// A file of weights could not be opened or read.
    #[error("cannot read the weights {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file of weights is no safetensors file, or a broken one.
    #[error("{} is not a whole safetensors file: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do next.
        problem: String,
    },

    /// A PyTorch checkpoint is broken, too old, or holds no weights.
    #[error("cannot read the PyTorch file {}: {problem}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do next.
        problem: String,
    },

    /// A folder has no weights, or more than one file of them; or it cannot be written.
    #[error("cannot use {}: {problem}", path.display())]
    Folder {
        /// The folder, or the list of its files of weights.
        path: PathBuf,
        /// What is missing, and what is there; or what the system said.
        problem: String,
    },

    /// A folder for an export holds something else.
    #[error(
        "{} is not empty, and no earlier export: it holds {}; name another folder, or empty this one",
        path.display(),
        holds.join(", ")
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        holds: Vec<String>,
    },

    /// A `config.json` does not say which model it belongs to.
    #[error("cannot use {}: {problem}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A file of tensors does not hold what is needed, or was not filled.
    #[error("{}: {problem}", path.display())]
    TensorFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// Weights do not belong to the model.
    #[error("{origin} do not fit the {family} model they are loaded into: {mismatch}")]
    Mismatch {
        /// What they are, "the weights in PATH".
        origin: String,
        /// The model's family, "deit", "cait" or "swin".
        family: &'static str,
        /// All differences.
        mismatch: Box<Mismatch>,
    },

    /// Weights hold NaN or infinity.
    #[error(
        "{origin} hold values that are not finite numbers, in {}: take an earlier checkpoint", tensors.join(", ")
    )]
    NotFinite {
        /// What they are, "the weights in PATH".
        origin: String,
        /// The tensors and how many of their values are bad, "head.bias (3 of 10)".
        tensors: Vec<String>,
    },

    /// Weights could not be turned into the bytes of a safetensors file.
    #[error("cannot encode weights for {}: {problem}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// Why not.
        problem: String,
    },

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] spectralkd_base::files::FileError),

    /// A layer refused its input.
    #[error(transparent)]
    Layer(#[from] spectralkd_nn::Error),

    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// How a set of weights differs from the parameters of a model; every difference, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Parameters of the model without weights, `head.bias [10]`.
    pub missing: Vec<String>,
    /// Weights that are no parameter of the model, `dist_token [1, 1, 192]`.
    pub unexpected: Vec<String>,
    /// Weights of another shape than the parameter's, `pos_embed [1, 50, 48], not [1, 65, 48]`.
    pub misshaped: Vec<String>,
    /// Weights of a number type that the model cannot use, `head.bias is I64`.
    pub mistyped: Vec<String>,
}

impl Mismatch {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.groups().iter().all(|(_, names)| names.is_empty())
    }

    fn groups(&self) -> [(&'static str, &[String]); 4] {
        [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("of another shape", &self.misshaped),
            ("of an unusable type", &self.mistyped),
        ]
    }
}

impl fmt::Display for Mismatch {
    /// `2 missing: a [3], b [4]; 1 unexpected: c [5]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (what, names) in self
            .groups()
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
        {
            write!(f, "{separator}{} {what}: {}", names.len(), names.join(", "))?;
            separator = "; ";
        }
        Ok(())
    }
}
