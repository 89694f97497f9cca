//! Random erasing.

use spectralkd_base::random::Stream;

use crate::ViewKey;
use crate::geometry::{random_sides, whole_number};
use crate::rect::Rect;

/// A rectangle of the view is erased with this probability: timm's `RandomErasing` (Zhong et
/// al., arXiv 1708.04896) with one rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erase {
    /// The probability, 0 to 1.
    pub probability: f64,
    /// The least and the largest part of the view's area, in (0, 1].
    pub area: [f64; 2],
    /// The least and the largest ratio of height to width, above 0.
    pub aspect: [f64; 2],
    /// What is put in its place.
    pub fill: Fill,
}

/// What an erased rectangle shows, in units of the normalised image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros: the mean colour of the data set (timm's mode "const").
    Zero,
    /// A normal number of its own for every value (timm's mode "pixel").
    Noise,
}

/// An erased rectangle of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasedBox {
    /// Where it is, in pixels of the mirrored view.
    pub area: Rect,
    /// What it shows.
    pub fill: Fill,
}

/// Sizes that are tried before nothing is erased.
const ATTEMPTS: usize = 10;

impl Erase {
    /// timm's ranges: 0.02 to 1/3 of the area, height to width 0.3 to 1/0.3.
    pub fn new(probability: f64, fill: Fill) -> Self {
        Self {
            probability,
            area: [0.02, 1.0 / 3.0],
            aspect: [0.3, 1.0 / 0.3],
            fill,
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let range = |[low, high]: [f64; 2]| 0.0 < low && low <= high && high.is_finite();
        let probability = (0.0..=1.0).contains(&self.probability);
        if probability && range(self.area) && self.area[1] <= 1.0 && range(self.aspect) {
            return Ok(());
        }
        Err(format!(
            "erasing with probability {} of {} to {} of the area, {} to {} times as high as wide; a probability \
             is 0 to 1, parts of the area are above 0 and at most 1, ratios above 0, and the larger number comes \
             second",
            self.probability, self.area[0], self.area[1], self.aspect[0], self.aspect[1]
        ))
    }

    /// The rectangles of a view of `[height, width]`.
    pub(crate) fn draw(&self, key: &ViewKey, size: [usize; 2]) -> Vec<ErasedBox> {
        let mut stream = key.stream("erase");
        let area = self.draw_area(size, || stream.uniform());
        let erased = |area| ErasedBox {
            area,
            fill: self.fill,
        };
        // In a view of few pixels, a small part may be none.
        let area = area.filter(|area| area.area() > 0);
        area.map(erased).into_iter().collect()
    }

    /// timm's `RandomErasing._erase`, given its uniform numbers in [0, 1).
    fn draw_area(&self, size: [usize; 2], mut uniform: impl FnMut() -> f64) -> Option<Rect> {
        if self.probability <= 0.0 || uniform() > self.probability {
            return None;
        }
        let [height, width] = size;
        let area = (height * width) as f64;
        for _ in 0..ATTEMPTS {
            // Its ratio is height to width, that of the crop width to height.
            let [w, h] = random_sides(area, self.area, self.aspect, &mut uniform);
            if w < width && h < height {
                return Some(Rect {
                    top: whole_number(uniform(), height - h),
                    left: whole_number(uniform(), width - w),
                    height: h,
                    width: w,
                });
            }
        }
        None
    }
}

/// The noise of erased box `number` of the view of this key, in the order channel, row, column
/// of the box.
pub(crate) fn noise(key: &ViewKey, number: usize) -> Stream {
    key.stream("erase noise").at(number as u64)
}
