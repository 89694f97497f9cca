//! Which model, on which images.

use std::path::PathBuf;

use clap::Args;
use spectralkd_models::Taps;

/// Which model, with which weights.
#[derive(Debug, Args)]
pub struct Model {
    /// A model's name, as in cait_s24_224 or cait_s24_224.fb_dist_in1k; not needed where the weights lie in a folder
    /// (or repository) with a config.json.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    // Not a comment for rustdoc, which would read the brackets as links.
    #[arg(
        long,
        value_name = "FILE|DIR|hf://…",
        help = "A file (safetensors or .pth), a folder, or hf://owner/name[@revision][/file] [default: the model's \
                repository on the hub]"
    )]
    pub weights: Option<String>,
    /// Other images than the model's own: N or HEIGHTxWIDTH pixels.
    #[arg(long, value_name = "N|HxW", value_parser = img_size)]
    pub img_size: Option<ImgSize>,
    /// Another number of classes: the weights' head is replaced by an untrained one.
    #[arg(long, value_name = "N")]
    pub num_classes: Option<usize>,
    /// Another number of colour channels: the first weights are adapted.
    #[arg(long, value_name = "N")]
    pub in_chans: Option<usize>,
    /// Worker threads [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Images at a time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = at_least_one)]
    pub batch: usize,
}

/// Height and width, pixels.
#[derive(Clone, Copy, Debug)]
pub struct ImgSize(pub [usize; 2]);

fn img_size(text: &str) -> Result<ImgSize, String> {
    let side = |text: &str| {
        let side = text.trim().parse::<usize>().ok().filter(|&side| side > 0);
        side.ok_or_else(|| format!("`{text}` is no number of pixels; write 224 or 224x196"))
    };
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    Ok(ImgSize([side(height)?, side(width)?]))
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|&n| n > 0);
    number.ok_or_else(|| format!("`{text}` is no whole number of at least 1"))
}

/// Where images come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Images {
    /// A safetensors file with `images`, f32 [B, C, H, W], already normalised.
    #[arg(long, value_name = "X.safetensors")]
    pub input: Option<PathBuf>,
    /// A folder of pictures, which go through the model's own preprocessing.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
}

pub(super) fn taps(text: &str) -> Result<Taps, String> {
    let text = text.trim();
    match (text, text.strip_prefix("last:")) {
        ("all", _) => Ok(Taps::All),
        ("none", _) => Ok(Taps::None),
        (_, Some(count)) => count
            .parse()
            .map(Taps::Last)
            .map_err(|_| format!("`{count}` is no number of taps")),
        _ => text
            .split(',')
            .map(|index| index.trim().parse::<isize>())
            .collect::<Result<_, _>>()
            .map(Taps::List)
            .map_err(|_| format!("`{text}` is none of all, none, last:N and a list as 0,3,-1")),
    }
}
