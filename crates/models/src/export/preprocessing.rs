//! What is done to a picture.

use crate::{Error, Result, registry};

/// How a picture becomes a model's input: resize so that its shorter side is that of the input divided by `crop_pct`,
/// cut the input out of the centre, scale pixels to 0..1, subtract `mean` and divide by `std`.
/// As [`registry::Preprocessing`], for any number of channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// timm's name of the method of resizing: "bicubic", "bilinear" or another of Pillow's.
    pub interpolation: String,
    /// The side of the input over the side of the resized picture, in (0, 1].
    pub crop_pct: f64,
    /// Per channel.
    pub mean: Vec<f64>,
    /// Per channel, above 0.
    pub std: Vec<f64>,
}

impl From<registry::Preprocessing> for Preprocessing {
    fn from(of_entry: registry::Preprocessing) -> Self {
        Self {
            interpolation: "bicubic".into(),
            crop_pct: of_entry.crop_pct,
            mean: of_entry.mean.into(),
            std: of_entry.std.into(),
        }
    }
}

impl Preprocessing {
    /// Checks that this can be done to pictures of so many channels.
    pub(super) fn check(&self, channels: usize) -> Result<()> {
        let bad = |field, value, problem: String| {
            Err(Error::Config {
                field,
                value,
                problem,
            })
        };
        if !(self.crop_pct > 0.0 && self.crop_pct <= 1.0) {
            let problem = "it is a part of the picture's side, above 0 and at most 1".into();
            return bad("crop_pct", self.crop_pct.to_string(), problem);
        }
        for (field, values) in [("mean", &self.mean), ("std", &self.std)] {
            let usable = |value: &f64| value.is_finite() && (field == "mean" || *value > 0.0);
            if values.len() != channels || !values.iter().all(usable) {
                let above = if field == "std" { " above 0" } else { "" };
                let problem = format!("it has a number{above} for each of the {channels} channels");
                return bad(field, format!("{values:?}"), problem);
            }
        }
        Ok(())
    }
}
