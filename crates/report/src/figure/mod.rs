//! Figures that a paper could print, as SVG, each with its data as CSV.
//!
//! A builder per kind ([`LineChart`], [`SmallMultiples`], [`IntervalPlot`],
//! [`HeatMap`]) checks its data and draws a [`Figure`]: axes with names and
//! units, round ticks, colours for the colour-blind, dashes and markers for
//! black and white. The output depends on the data alone, byte for byte.
//!
//! A figure has two forms. [`Figure::inline`] goes into an HTML page and takes
//! its colours from the custom properties of [`page_style`], so that it
//! follows the reader's light or dark page. [`Figure::standalone`] is a file
//! of its own, with its colours written out on a light ground.
//!
//! ```
//! use spectralkd_report::figure::{Axis, LineChart, Series};
//!
//! let figure = LineChart::new("accuracy", "Accuracy while training")
//!     .x(Axis::new("epoch").whole())
//!     .y(Axis::new("top-1 accuracy").unit("%"))
//!     .series(Series::new("logits only", vec![(1.0, 48.4), (8.0, 81.5)]))
//!     .series(Series::new("logits + spectral", vec![(1.0, 55.5), (8.0, 82.0)]))
//!     .draw()?;
//! assert!(figure.standalone().starts_with("<svg"));
//! assert!(figure.csv.starts_with("series,epoch,top_1_accuracy\nlogits only,1,48.4\n"));
//! # Ok::<(), spectralkd_report::Error>(())
//! ```

mod axis;
mod heat;
mod intervals;
mod legend;
mod lines;
mod marks;
mod multiples;
mod palette;
mod plot;
mod points;
mod scale;
mod series;
pub(crate) mod svg;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

pub use axis::Axis;
pub use heat::HeatMap;
pub use intervals::IntervalPlot;
pub use lines::LineChart;
pub use multiples::{Panel, SmallMultiples};
pub use palette::STYLES;
pub use series::Series;

use crate::error::{Error, FigureProblem, Result};
use svg::{Anchor, Svg, Value, escape};

/// Width of every figure's view box. On a phone's 350 CSS pixels the text of
/// 14 units comes to 10 pixels, in a column of a desktop page to 15.
pub(crate) const WIDTH: f64 = 480.0;

/// A drawn figure and its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Identifier: file name without extension, and prefix of the XML
    /// identifiers within. Letters a-z, digits and hyphens; unique in a report.
    pub id: String,
    /// Title, one line.
    pub title: String,
    /// Caption: what is shown, how it was measured, what it cannot tell.
    pub caption: String,
    /// The data that is drawn, as CSV with a header line.
    pub csv: String,
    description: String,
    body: String,
    height: f64,
}

impl Figure {
    /// The figure as an element of an HTML page that carries [`page_style`].
    pub fn inline(&self) -> String {
        let Self { id, body, .. } = self;
        let head = self.head(0.0, false);
        let title = escape(&self.title);
        let description = escape(&self.description);
        format!(
            "{head}<title id=\"{id}-title\">{title}</title>\
             <desc id=\"{id}-desc\">{description}</desc>{body}</svg>"
        )
    }

    /// The figure as the text of an SVG file, with its title, its own style
    /// sheet and a light ground.
    pub fn standalone(&self) -> String {
        const HEADING: f64 = 34.0;
        let Self { id, body, .. } = self;
        let mut ground = Svg::new();
        ground.leaf(
            "rect",
            &[
                ("class", "ground".into()),
                ("x", 0.0.into()),
                ("y", (-HEADING).into()),
                ("width", WIDTH.into()),
                ("height", (self.height + HEADING).into()),
            ],
        );
        let room = WIDTH - 20.0;
        let heading = text::fit(&self.title, 17.0 * 1.08, room);
        ground.label(10.0, -11.0, "heading", Anchor::Start, &heading);
        format!(
            "{}<title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>\
             <style>{}</style>{}{body}</svg>\n",
            self.head(HEADING, true),
            escape(&self.title),
            escape(&self.description),
            palette::standalone_rules(),
            ground.finish().unwrap_or_default(),
        )
    }

    /// What the figure shows, in words and numbers, for those who cannot see it.
    pub fn description(&self) -> &str {
        &self.description
    }

    fn head(&self, above: f64, sized: bool) -> String {
        let (id, height) = (&self.id, self.height + above);
        let size = if sized {
            format!(" width=\"{WIDTH}\" height=\"{height:.0}\"")
        } else {
            String::new()
        };
        let top = if above > 0.0 { -above } else { 0.0 };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 {top} {WIDTH} {height:.0}\"{size}>"
        )
    }
}

/// The style sheet of a page that shows figures inline: custom properties with
/// light and dark colours, and the rules of the figures.
pub fn page_style() -> String {
    palette::page_variables() + &palette::page_rules()
}

/// Identifier, title and caption while a figure is being built.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    id: String,
    title: String,
    caption: String,
}

impl Head {
    pub(crate) fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            caption: String::new(),
        }
    }

    /// An error about this figure.
    pub(crate) fn fail<T>(&self, problem: FigureProblem) -> Result<T> {
        Err(Error::Figure {
            figure: self.id.clone(),
            problem,
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts = self.id.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || !self.id.chars().all(fits) {
            return self.fail(FigureProblem::Identifier);
        }
        Ok(())
    }

    /// All `values` of `name` are finite.
    pub(crate) fn finite(&self, name: &str, values: impl IntoIterator<Item = f64>) -> Result<()> {
        for (index, value) in values.into_iter().enumerate() {
            if !value.is_finite() {
                return self.fail(FigureProblem::NotFinite {
                    name: name.to_owned(),
                    index,
                    value,
                });
            }
        }
        Ok(())
    }

    /// No two names are equal.
    pub(crate) fn distinct<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                return self.fail(FigureProblem::Duplicate(name.to_owned()));
            }
        }
        Ok(())
    }

    /// Puts the parts together.
    pub(crate) fn finish(
        self,
        svg: Svg,
        height: f64,
        description: String,
        csv: String,
    ) -> Result<Figure> {
        let Some(body) = svg.finish() else {
            // Finite data that still overflows on its way to a coordinate.
            return self.fail(FigureProblem::Range {
                name: "of its data".into(),
                low: f64::MIN,
                high: f64::MAX,
            });
        };
        Ok(Figure {
            id: self.id,
            title: self.title,
            caption: self.caption,
            csv,
            description,
            body,
            height: height.ceil(),
        })
    }
}

/// The builder methods that every kind of figure shares.
macro_rules! head_methods {
    () => {
        /// Sets the caption: what is shown, how it was measured, what it
        /// cannot tell.
        pub fn caption(mut self, caption: impl Into<String>) -> Self {
            self.head.caption = caption.into();
            self
        }
    };
}
pub(crate) use head_methods;

/// A rectangle.
pub(crate) fn rect(svg: &mut Svg, class: &str, corner: (f64, f64), size: (f64, f64)) {
    svg.leaf(
        "rect",
        &[
            ("class", Value::Text(class)),
            ("x", corner.0.into()),
            ("y", corner.1.into()),
            ("width", size.0.into()),
            ("height", size.1.into()),
        ],
    );
}
