//! `analyze` and `compare`.

use std::path::PathBuf;

use clap::Args;
use spectralkd_lens::FeatureSource;

use super::model::{Model, at_least_one};

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    #[command(flatten)]
    pub model: Model,
    /// A file with `features.<i>` [B, C, H, W] from anywhere, instead of a model.
    #[arg(long, value_name = "F.safetensors", conflicts_with_all = ["model", "weights"])]
    pub features: Option<PathBuf>,
    /// The name in figures.
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// Another model on the same axes, as in label=student,model=deit_tiny_patch16_224,weights=DIR or
    /// label=x,features=FILE; may be given several times.
    #[arg(long, value_name = "SUBJECT")]
    pub also: Vec<FeatureSource>,
    /// Random permutations of the channels, against which the spectra are drawn; 0 for none.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub permutations: usize,
    #[command(flatten)]
    pub lens: Lens,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The student's side: a model's name, a file with `features.<i>`, or key=value pairs as in
    /// label=student,model=deit_tiny_patch16_224,weights=DIR.
    #[arg(value_name = "A")]
    pub a: FeatureSource,
    /// The teacher's side.
    #[arg(value_name = "B")]
    pub b: FeatureSource,
    /// Worker threads [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Images at a time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = at_least_one)]
    pub batch: usize,
    #[command(flatten)]
    pub lens: Lens,
}

/// What `analyze` and `compare` see, and where they write.
#[derive(Debug, Args)]
pub struct Lens {
    /// A safetensors file with `images`, f32 [B, C, H, W], already normalised.
    #[arg(long, value_name = "X.safetensors", conflicts_with = "images")]
    pub input: Option<PathBuf>,
    /// A folder of pictures, which go through each model's own preprocessing.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// The first N images alone.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// The folder to write: tables, figures, report.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Move an earlier folder aside.
    #[arg(long)]
    pub fresh: bool,
}
