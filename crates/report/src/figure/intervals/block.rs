//! One comparison of the verdict figure.

use super::EDGE;
use crate::figure::plot::{LINE, NAME_SIZE, Plot, TICK_SIZE};
use crate::figure::svg::{Anchor, Svg};
use crate::figure::{WIDTH, palette, rect, text};
use crate::format::{signed, trimmed};
use crate::statistics::Judgement;

/// "+0.42 (95 %: −0.10 to +0.94), undecided".
pub(super) fn in_words(judged: &Judgement) -> String {
    let estimate = signed(judged.estimate(), 2);
    match judged.interval() {
        Some(i) => format!(
            "{estimate} ({} %: {} to {}), {}",
            trimmed(100.0 * i.confidence, 2),
            signed(i.low, 2),
            signed(i.high, 2),
            judged.verdict()
        ),
        None => format!("{estimate} (one seed, no interval), {}", judged.verdict()),
    }
}

/// The room of one row: its name, its numbers, its marks.
pub(super) struct Block {
    label: String,
    numbers: String,
    together: bool,
}

impl Block {
    pub(super) fn new(label: &str, judged: &Judgement) -> Self {
        let room = WIDTH - 2.0 * EDGE;
        let numbers = text::fit(&in_words(judged), TICK_SIZE, room);
        let both = text::width(label, NAME_SIZE) + text::width(&numbers, TICK_SIZE) + 16.0;
        Self {
            label: text::fit(label, NAME_SIZE, room),
            numbers,
            together: both <= room,
        }
    }

    pub(super) fn height(&self) -> f64 {
        let lines = if self.together { 1.0 } else { 2.0 };
        LINE * lines + 40.0
    }

    pub(super) fn draw(
        &self,
        svg: &mut Svg,
        plot: &Plot,
        top: f64,
        judged: &Judgement,
        style: usize,
    ) {
        let mut y = top + LINE;
        backed(svg, (EDGE, y), "name", Anchor::Start, &self.label);
        if self.together {
            backed(svg, (WIDTH - EDGE, y), "quiet", Anchor::End, &self.numbers);
        } else {
            y += LINE;
            backed(svg, (EDGE, y), "quiet", Anchor::Start, &self.numbers);
        }
        y += 19.0;
        if let Some(interval) = judged.interval() {
            let (low, high) = (plot.x.at(interval.low), plot.x.at(interval.high));
            let class = format!("span c{style}");
            svg.line(&class, (low, y), (high, y));
            svg.line(&class, (low, y - 6.0), (low, y + 6.0));
            svg.line(&class, (high, y - 6.0), (high, y + 6.0));
        }
        for &difference in judged.differences() {
            svg.leaf(
                "circle",
                &[
                    ("class", "seed".into()),
                    ("cx", plot.x.at(difference).into()),
                    ("cy", (y + 11.0).into()),
                    ("r", 3.2.into()),
                ],
            );
        }
        palette::marker(svg, style, plot.x.at(judged.estimate()), y);
    }
}

/// A line of text on the ground's colour, so that lines behind do not cross it.
fn backed(svg: &mut Svg, at: (f64, f64), class: &str, anchor: Anchor, label: &str) {
    let size = if class == "name" {
        NAME_SIZE
    } else {
        TICK_SIZE
    };
    let width = text::width(label, size);
    let left = if anchor == Anchor::End {
        at.0 - width
    } else {
        at.0
    };
    rect(
        svg,
        "ground",
        (left - 2.0, at.1 - 15.0),
        (width + 4.0, LINE),
    );
    svg.label(at.0, at.1, class, anchor, label);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_one_seed_and_for_three() {
        let one = Judgement::of_differences(vec![0.3], 0.5, 0.95).unwrap();
        assert_eq!(in_words(&one), "+0.30 (one seed, no interval), undecided");
        let three = Judgement::of_differences(vec![0.9, 1.0, 1.1], 0.5, 0.95).unwrap();
        assert_eq!(in_words(&three), "+1.00 (95 %: +0.75 to +1.25), supported");
    }
}
