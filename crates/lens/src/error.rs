//! What can go wrong, in one type.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model could not be loaded, or could not see the images that it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a model nor weights were named.
    #[error(
        "name a model with --model (`cargo xtask models` lists them), or weights that say what they are with --weights"
    )]
    NoModel,
    /// Weights without a `config.json`, and no model was named.
    #[error(
        "{address} does not say which model it holds: name it with --model (`cargo xtask models` lists them)"
    )]
    UnknownWeights {
        /// The weights.
        address: String,
    },
    /// A model on features alone, or a model without images.
    #[error("a model needs images: give --images or --input")]
    NoImages,
    /// Pictures cannot be made into this model's input.
    #[error(
        "the pictures of {model} are resized by {interpolation} interpolation, and only bicubic is known here: give tensors with --input"
    )]
    Interpolation {
        /// The model.
        model: String,
        /// How its pictures are resized.
        interpolation: String,
    },
    /// Pictures are grey or have three channels, and the model takes others.
    #[error("{model} takes images of {channels} channels, and pictures are read with 1 or 3")]
    Channels {
        /// The model.
        model: String,
        /// The channels that it takes.
        channels: usize,
    },
    /// Labels are needed, and there are none.
    #[error("the pictures of {} have no labels: an evaluation needs a folder for each class", folder.display())]
    NoLabels {
        /// The folder.
        folder: PathBuf,
    },
    /// Classes that are not the model's.
    #[error(
        "{} has {classes} class folders, and {model} has {logits} logits: classes are numbered by the order of their \
         folders' names, so that there must be one for each",
        folder.display()
    )]
    Classes {
        /// The folder of class folders.
        folder: PathBuf,
        /// How many there are.
        classes: usize,
        /// The model.
        model: String,
        /// How many classes it tells apart.
        logits: usize,
    },
    /// Images of another size than the model's.
    #[error(
        "the images of {} are {} (channels, height, width), and {model} takes {}",
        folder.display(), sizes(images), sizes(takes)
    )]
    ImageShape {
        /// The folder.
        folder: PathBuf,
        /// Channels, height and width of its images.
        images: [usize; 3],
        /// The model.
        model: String,
        /// What it takes.
        takes: [usize; 3],
    },
    /// A safetensors file does not hold the tensors that it should.
    #[error("{}: {problem}", path.display())]
    TensorFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do next.
        problem: String,
    },
    /// A model gave NaN or infinity.
    #[error(
        "`{tensor}` of images {first}.. holds NaN or infinity: the weights are damaged, or no weights of this model"
    )]
    NotFinite {
        /// What it gave: `logits`, or the features of a layer.
        tensor: String,
        /// The first image of the batch.
        first: usize,
    },
    /// Two models or files under one name, which no figure could tell apart.
    #[error("two sources are called {label}: give them names with label=")]
    SameLabel {
        /// The name.
        label: String,
    },
    /// The folder to write holds something already.
    #[error("{} is not empty: name another folder with --out, or move this one aside with --fresh", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be read or written, or a folder not made.
    #[error(transparent)]
    File(#[from] spectralkd_base::FileError),
    /// Images could not be read.
    #[error(transparent)]
    Data(#[from] spectralkd_datasets::DatasetError),
    /// A model could not be built or loaded.
    #[error(transparent)]
    Model(#[from] spectralkd_models::Error),
    /// A model could not be measured.
    #[error(transparent)]
    Evaluation(#[from] spectralkd_evaluation::Error),
    /// Figures or the page failed.
    #[error(transparent)]
    Report(#[from] spectralkd_report::Error),
    /// A download failed.
    #[error(transparent)]
    Hub(#[from] spectralkd_hub::HubError),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// `3 x 224 x 224`.
fn sizes([channels, height, width]: &[usize; 3]) -> String {
    format!("{channels} x {height} x {width}")
}
