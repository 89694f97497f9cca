//! Which part of an image becomes a view, and in which size.

use spectralkd_base::random::Stream;

use crate::rect::Rect;

/// How an image becomes a view of the pipeline's size.
///
/// Resizing is Pillow's (bicubic, antialiased, in 8 bits) to the bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Geometry {
    /// Images have the size already; another one is an error.
    AsIs,
    /// timm's evaluation transform (`create_transform(is_training=False)` with `crop_mode`
    /// "center" and bicubic interpolation): the image's sides are scaled together until the
    /// shorter one has floor(`size` / `crop_pct`) pixels, and the centre is cut out. Sizes and
    /// offsets are rounded as by torchvision. Where the scaled image is smaller than the view,
    /// black is added around.
    Centre {
        /// The part of the scaled image's shorter side that is kept: 0.9 for DeiT and Swin,
        /// 1.0 for CaiT; above 0.
        crop_pct: f64,
    },
    /// A part of random size and shape, resized to the view: timm's
    /// `RandomResizedCropAndInterpolation` and torchvision's `RandomResizedCrop`. Ten sizes
    /// are tried; where none fits into the image, it is the largest central part within
    /// `ratio`.
    RandomResizedCrop {
        /// The least and the largest part of the image's area; in (0, 1], by default 0.08 to 1.
        scale: [f64; 2],
        /// The least and the largest ratio of width to height; by default 3/4 to 4/3.
        ratio: [f64; 2],
    },
}

/// How an image is brought to a view: `region` of the image is resized to `resized`, of which
/// `window` stands in the view, `padding` rows and columns from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) region: Rect,
    pub(crate) resized: [usize; 2],
    pub(crate) window: Rect,
    pub(crate) padding: [usize; 2],
}

/// Longer sides of a view are refused: 16 times the largest input of any ImageNet model.
const LONGEST_VIEW: usize = 16_384;
/// More pixels along one side of a scaled image than these are not made.
const MOST_RESIZED: usize = 1 << 24;
/// Sizes that a random crop tries before it takes the central part.
const ATTEMPTS: usize = 10;

/// Whether a view can have this `[height, width]`.
pub(crate) fn check_size(size: [usize; 2]) -> Result<(), String> {
    if size.into_iter().all(usable) {
        return Ok(());
    }
    Err(format!(
        "a size of {} pixels (height x width); 1 to {LONGEST_VIEW} each can be made",
        in_words(size)
    ))
}

fn usable(side: usize) -> bool {
    (1..=LONGEST_VIEW).contains(&side)
}

fn in_words([height, width]: [usize; 2]) -> String {
    format!("{height}x{width}")
}

impl Geometry {
    /// timm's and torchvision's random crop in its usual range: 0.08 to 1 of the area, width to
    /// height 3/4 to 4/3.
    pub fn random_resized_crop() -> Self {
        Self::RandomResizedCrop {
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
        }
    }

    pub(crate) fn check(&self, size: [usize; 2]) -> Result<(), String> {
        check_size(size)?;
        match *self {
            Self::AsIs => Ok(()),
            Self::Centre { crop_pct } => {
                if crop_pct.is_finite() && scaled(size, crop_pct).into_iter().all(usable) {
                    return Ok(());
                }
                Err(format!(
                    "crop_pct {crop_pct} for a size of {} pixels (height x width); it is the part of the \
                     resized image that is kept, such as 0.875, 0.9 or 1.0",
                    in_words(size)
                ))
            }
            Self::RandomResizedCrop { scale, ratio } => {
                let range = |[low, high]: [f64; 2]| 0.0 < low && low <= high && high.is_finite();
                if range(scale) && scale[1] <= 1.0 && range(ratio) {
                    return Ok(());
                }
                Err(format!(
                    "a random crop of {} to {} of the area and of {} to {} times as wide as high; parts of the \
                     area are above 0 and at most 1, ratios above 0, and the larger number comes second",
                    scale[0], scale[1], ratio[0], ratio[1]
                ))
            }
        }
    }

    /// How an image of `image` = `[height, width]` (at least 1 each) becomes a view of `size`;
    /// `stream` is asked for where something is drawn. The error is what the image cannot be.
    pub(crate) fn place(
        &self,
        image: [usize; 2],
        size: [usize; 2],
        stream: impl FnOnce() -> Stream,
    ) -> Result<Placement, String> {
        match *self {
            Self::AsIs if image == size => Ok(Placement::of(Rect::all(image), size)),
            Self::AsIs => Err(format!(
                "it has {} pixels (height x width), and {} are expected of every image of the set; choose a \
                 geometry that resizes, or another size",
                in_words(image),
                in_words(size)
            )),
            Self::Centre { crop_pct } => centre(image, size, crop_pct),
            Self::RandomResizedCrop { scale, ratio } => {
                let mut stream = stream();
                let region = random_part(image, scale, ratio, || stream.uniform());
                Ok(Placement::of(region, size))
            }
        }
    }
}

impl Placement {
    /// A region that fills the view.
    fn of(region: Rect, size: [usize; 2]) -> Self {
        Self {
            region,
            resized: size,
            window: Rect::all(size),
            padding: [0, 0],
        }
    }
}

/// The least size of the image before the centre is cut out.
fn scaled(size: [usize; 2], crop_pct: f64) -> [usize; 2] {
    size.map(|side| (side as f64 / crop_pct).floor() as usize)
}

fn centre(image: [usize; 2], size: [usize; 2], crop_pct: f64) -> Result<Placement, String> {
    let [height, width] = image;
    let scaled = scaled(size, crop_pct);
    let resized = if scaled[0] == scaled[1] {
        // torchvision's Resize(int): the longer side is cut to a whole number.
        let (short, long) = (height.min(width), height.max(width));
        let long = ((scaled[0] as u128 * long as u128) as f64 / short as f64) as usize;
        if width <= height {
            [long, scaled[0]]
        } else {
            [scaled[0], long]
        }
    } else {
        // timm's ResizeKeepRatio: both are rounded, ties to even.
        let ratio = (height as f64 / scaled[0] as f64).min(width as f64 / scaled[1] as f64);
        image.map(|side| (side as f64 / ratio).round_ties_even() as usize)
    };
    // Each side's taps and one intermediate column are held in memory, not the whole.
    if resized.into_iter().any(|side| side > MOST_RESIZED) {
        return Err(format!(
            "its {} pixels (height x width) are too narrow to be resized to {}",
            in_words(image),
            in_words(resized)
        ));
    }
    let (down, across) = (
        Crop::new(resized[0], size[0]),
        Crop::new(resized[1], size[1]),
    );
    Ok(Placement {
        region: Rect::all(image),
        resized,
        window: Rect {
            top: down.start,
            left: across.start,
            height: down.count,
            width: across.count,
        },
        padding: [down.padding, across.padding],
    })
}

/// torchvision's `center_crop` along one side.
struct Crop {
    /// The first pixel that is kept.
    start: usize,
    /// How many are kept.
    count: usize,
    /// How many black ones come before.
    padding: usize,
}

impl Crop {
    fn new(have: usize, want: usize) -> Self {
        let spare = have.saturating_sub(want);
        Self {
            // Python's round(): a half goes to the even neighbour.
            start: (spare as f64 / 2.0).round_ties_even() as usize,
            count: have.min(want),
            padding: want.saturating_sub(have) / 2,
        }
    }
}

/// timm's `RandomResizedCropAndInterpolation.get_params`, given its uniform numbers in [0, 1).
fn random_part(
    image: [usize; 2],
    scale: [f64; 2],
    ratio: [f64; 2],
    mut uniform: impl FnMut() -> f64,
) -> Rect {
    let [height, width] = image;
    let area = (width * height) as f64;
    for _ in 0..ATTEMPTS {
        let [h, w] = random_sides(area, scale, ratio, &mut uniform);
        // torchvision asks for more than 0 pixels; timm fails without them.
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return Rect {
                top: whole_number(uniform(), height - h),
                left: whole_number(uniform(), width - w),
                height: h,
                width: w,
            };
        }
    }
    let shape = width as f64 / height as f64;
    let [h, w] = if shape < ratio[0] {
        [(width as f64 / ratio[0]).round_ties_even() as usize, width]
    } else if shape > ratio[1] {
        let w = (height as f64 * ratio[1]).round_ties_even() as usize;
        [height, w]
    } else {
        image
    };
    let (h, w) = (h.clamp(1, height), w.clamp(1, width));
    Rect {
        top: (height - h) / 2,
        left: (width - w) / 2,
        height: h,
        width: w,
    }
}

/// The `[height, width]` of a part of an `area`, whose share is uniform in `scale` and whose
/// ratio of width to height is uniform in `ratio` on a logarithmic scale: as timm rounds them.
pub(crate) fn random_sides(
    area: f64,
    scale: [f64; 2],
    ratio: [f64; 2],
    uniform: &mut impl FnMut() -> f64,
) -> [usize; 2] {
    let mut between = |low: f64, high: f64| low + (high - low) * uniform();
    let part = between(scale[0], scale[1]) * area;
    let aspect = between(ratio[0].ln(), ratio[1].ln()).exp();
    let side = |squared: f64| squared.sqrt().round_ties_even() as usize;
    [side(part / aspect), side(part * aspect)]
}

/// The whole number in 0..=most of a uniform number in [0, 1).
pub(crate) fn whole_number(uniform: f64, most: usize) -> usize {
    ((uniform * (most + 1) as f64) as usize).min(most)
}
