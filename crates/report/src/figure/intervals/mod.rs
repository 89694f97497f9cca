//! The verdict figure: paired differences, their intervals, the zero line and
//! the effect size that was fixed beforehand.

mod block;
mod reference;

use block::{Block, in_words};
use reference::ReferenceLine;

use super::axis::Axis;
use super::plot::{self, LINE, Plot, Title};
use super::svg::Svg;
use super::{Figure, Head, WIDTH, head_methods, palette};
use crate::csv::{Field, Writer};
use crate::error::{FigureProblem, Result};
use crate::format::signed;
use crate::statistics::Judgement;

/// A row per comparison: a ring per seed, a dot at the mean, a thick line over
/// the confidence interval.
#[derive(Clone, Debug)]
pub struct IntervalPlot {
    head: Head,
    x: Axis,
    rows: Vec<(String, Judgement, usize)>,
}

const EDGE: f64 = 14.0;

impl IntervalPlot {
    /// A plot without rows yet; `id` as in [`Figure::id`].
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            head: Head::new(id, title),
            x: Axis::new("difference"),
            rows: Vec::new(),
        }
    }

    head_methods!();

    /// Sets the axis of the differences; it always holds zero and the effects.
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// Adds a comparison, such as "logits + spectral against logits only", in a
    /// style from 0 to [`STYLES`](super::STYLES) - 1.
    pub fn row(mut self, label: impl Into<String>, judged: Judgement, style: usize) -> Self {
        self.rows.push((label.into(), judged, style));
        self
    }

    /// Draws the plot.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::Error::Figure) when there are no rows or two
    /// of one name.
    pub fn draw(self) -> Result<Figure> {
        let head = &self.head;
        head.check()?;
        if self.rows.is_empty() {
            return head.fail(FigureProblem::Nothing("rows"));
        }
        head.distinct(self.rows.iter().map(|r| r.0.as_str()))?;
        let values = self.rows.iter().flat_map(|(_, j, _)| {
            let ends = j.interval().map(|i| [i.low, i.high]);
            let ends = ends.into_iter().flatten();
            ends.chain(j.differences().iter().copied())
                .chain([j.effect()])
        });
        let ends = self.x.limits(head, values.chain([0.0]), false)?;

        let blocks: Vec<Block> = self.rows.iter().map(|(l, j, _)| Block::new(l, j)).collect();
        let height = blocks.iter().map(Block::height).sum::<f64>() + 6.0;
        let mut plot = Plot {
            left: EDGE,
            top: 0.0,
            width: WIDTH - 2.0 * EDGE,
            height,
            x: self.x.scale(ends, (EDGE + 10.0, WIDTH - EDGE - 10.0)),
            y: Axis::new("").scale((0.0, 1.0), (0.0, 1.0)),
        };
        let lines = self.reference_lines(&plot);
        let beside = ReferenceLine::fit_beside(&lines);
        let top = LINE * if beside { 1.0 } else { lines.len() as f64 } + 6.0;
        plot.top = top;

        let mut svg = Svg::new();
        let ticks = plot::x_ticks(&self.x, ends, plot.width - 20.0);
        for tick in &ticks {
            let x = plot.x.at(tick.value);
            svg.line("grid", (x, top), (x, plot.bottom()));
        }
        ReferenceLine::draw(&mut svg, &lines, beside, plot.bottom());
        let mut y = top;
        for (block, (_, judged, style)) in blocks.iter().zip(&self.rows) {
            block.draw(&mut svg, &plot, y, judged, style % palette::STYLES);
            y += block.height();
        }
        plot.x_axis(&mut svg, &ticks, true);
        let title = Title::new(&self.x.title());
        let below = plot.bottom() + 26.0;
        title.centred(&mut svg, WIDTH / 2.0, below);
        let (description, csv) = (self.description(), self.csv());
        let height = below + title.height() + 6.0;
        self.head.finish(svg, height, description, csv)
    }

    /// The distinct effect sizes, ascending; as a rule there is one.
    fn effects(&self) -> Vec<f64> {
        let mut effects: Vec<f64> = self.rows.iter().map(|r| r.1.effect()).collect();
        effects.sort_by(f64::total_cmp);
        effects.dedup();
        effects
    }

    /// The zero line and the effect lines: where each stands and its name.
    fn reference_lines(&self, plot: &Plot) -> Vec<ReferenceLine> {
        let mut lines = vec![ReferenceLine::new(
            "zero",
            plot.x.at(0.0),
            "no difference".into(),
        )];
        for effect in self.effects() {
            let label = format!("effect size {}", signed(effect, 2));
            lines.push(ReferenceLine::new("mark", plot.x.at(effect), label));
        }
        lines
    }

    fn csv(&self) -> String {
        let mut out = Writer::new(&[
            "comparison",
            "kind",
            "value",
            "low",
            "high",
            "confidence",
            "effect",
            "verdict",
        ]);
        for (label, judged, _) in &self.rows {
            let interval = judged.interval();
            out.row([
                Field::text(label),
                Field::text("mean"),
                Field::number(judged.estimate()),
                Field::optional(interval.map(|i| i.low)),
                Field::optional(interval.map(|i| i.high)),
                Field::number(judged.confidence()),
                Field::number(judged.effect()),
                Field::text(judged.verdict().word()),
            ]);
            for &difference in judged.differences() {
                let mut row = vec![
                    Field::text(label),
                    Field::text("seed"),
                    Field::number(difference),
                ];
                row.resize(8, Field::text(""));
                out.row(row);
            }
        }
        out.finish()
    }

    fn description(&self) -> String {
        let unit = self.x.title();
        let mut words = format!("Paired differences with confidence intervals, {unit}.");
        for (label, judged, _) in &self.rows {
            words.push_str(&format!(" {label}: {}.", in_words(judged)));
        }
        words
    }
}
