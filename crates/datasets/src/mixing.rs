//! Mixing the images of a batch with one another.

use spectralkd_base::random::Stream;

use crate::geometry::whole_number;
use crate::rect::Rect;

/// Each image of a batch is mixed with another one: timm's `Mixup` in mode "batch", which is
/// mixup (Zhang et al., arXiv 1710.09412), CutMix (Yun et al., arXiv 1905.04899), or one of
/// both per batch. Image `i` of `n` is mixed with image `n - 1 - i`, all of a batch in the
/// same share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Mixup's alpha: shares come from Beta(alpha, alpha). 0 for none.
    pub mixup: f64,
    /// CutMix's alpha. 0 for none.
    pub cutmix: f64,
    /// The probability that a batch is mixed at all.
    pub probability: f64,
    /// Where both have an alpha: the probability of CutMix.
    pub switch: f64,
}

/// How one image of a batch is mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// The other image's place in the batch.
    pub partner: u32,
    /// The share of the image itself, in its target and (where nothing is cut) in its values; 0 to 1.
    pub share: f64,
    /// CutMix: the rectangle, in pixels of the view, which shows the other image. `None`: every
    /// value is `share` of the image's own and the rest of the other's.
    pub cut: Option<Rect>,
}

impl Mix {
    pub(crate) fn check(&self) -> Result<(), String> {
        let alpha = |alpha: f64| alpha >= 0.0 && alpha.is_finite();
        let probability = |p: f64| (0.0..=1.0).contains(&p);
        let alphas = alpha(self.mixup) && alpha(self.cutmix) && self.mixup + self.cutmix > 0.0;
        if alphas && probability(self.probability) && probability(self.switch) {
            return Ok(());
        }
        Err(format!(
            "mixing with mixup alpha {}, CutMix alpha {}, probability {} and {} to switch to CutMix; an alpha is \
             at least 0 and one of them above, a probability 0 to 1",
            self.mixup, self.cutmix, self.probability, self.switch
        ))
    }

    /// How a batch of `len` views of `[height, width]` is mixed, drawn from `stream`; `None` if
    /// it stays as it is.
    pub(crate) fn draw(
        &self,
        stream: &mut Stream,
        size: [usize; 2],
        len: usize,
    ) -> Option<Vec<Mixing>> {
        if !stream.bernoulli(self.probability) {
            return None;
        }
        let cuts = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (true, true) => stream.bernoulli(self.switch),
            (mixup, _) => !mixup,
        };
        let alpha = if cuts { self.cutmix } else { self.mixup };
        let share = stream.beta(alpha, alpha);
        if share == 1.0 {
            return None;
        }
        let (cut, share) = if cuts {
            let centre = size.map(|side| whole_number(stream.uniform(), side - 1));
            let cut = cut_box(size, share, centre);
            let part = cut.area() as f64 / (size[0] * size[1]) as f64;
            (Some(cut), 1.0 - part)
        } else {
            (None, share)
        };
        let mixing = |i: usize| Mixing {
            partner: (len - 1 - i) as u32,
            share,
            cut,
        };
        Some((0..len).map(mixing).collect())
    }
}

/// timm's `rand_bbox`: the part of an image that shows another one, of the area 1 - `share`
/// before the image's edges cut it off.
fn cut_box(size: [usize; 2], share: f64, centre: [usize; 2]) -> Rect {
    let ratio = (1.0 - share).sqrt();
    let along = |axis: usize| {
        let (side, centre) = (size[axis], centre[axis]);
        let cut = (side as f64 * ratio) as usize;
        let start = centre.saturating_sub(cut / 2);
        (start, side.min(centre + cut.div_ceil(2)) - start)
    };
    let ((top, height), (left, width)) = (along(0), along(1));
    Rect {
        top,
        left,
        height,
        width,
    }
}
