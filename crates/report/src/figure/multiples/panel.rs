//! One panel of small multiples.

use crate::figure::marks;
use crate::figure::plot::Plot;
use crate::figure::series::Series;
use crate::figure::svg::Svg;

/// How the panels show their series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Lines with bands and markers.
    #[default]
    Lines,
    /// Bars from zero, side by side at every x.
    Bars,
}

/// One panel: a title and its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub(super) title: String,
    pub(super) series: Vec<Series>,
}

impl Panel {
    /// An empty panel.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            series: Vec::new(),
        }
    }

    /// Adds a series; series of one name look the same in all panels.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Draws lines with their bands and markers.
    pub(super) fn lines(&self, svg: &mut Svg, plot: &Plot, styles: &[(String, usize)]) {
        let styled = || self.series.iter().map(|s| (s, style(s, styles)));
        for (series, style) in styled() {
            marks::band(svg, plot, series, style);
        }
        for (series, style) in styled() {
            marks::line(svg, plot, series, style, true);
        }
        // On a long line in a small panel, markers would hide more than they tell.
        let marked = styled().filter(|(s, _)| s.points.len() <= 20 || !s.connected);
        for (series, style) in marked {
            marks::markers(svg, plot, series, style);
        }
    }

    /// Draws bars from zero, those of one x side by side; `spacing` is the
    /// smallest distance between two x.
    pub(super) fn bars(
        &self,
        svg: &mut Svg,
        plot: &Plot,
        styles: &[(String, usize)],
        figure: &str,
        spacing: f64,
    ) {
        let each = spacing * 0.82 / self.series.len() as f64;
        for (i, series) in self.series.iter().enumerate() {
            for &(x, y) in &series.points {
                let from = x - spacing * 0.41 + i as f64 * each;
                let across = (plot.x.at(from), plot.x.at(from + each));
                let between = (plot.y.at(y), plot.y.at(0.0));
                marks::bar(svg, figure, style(series, styles), across, between);
            }
        }
        let zero = plot.y.at(0.0);
        svg.line("axis", (plot.left, zero), (plot.right(), zero));
    }
}

/// The style that the series' name has in the whole figure.
fn style(series: &Series, styles: &[(String, usize)]) -> usize {
    let found = styles.iter().find(|(name, _)| *name == series.label);
    found.map_or(0, |f| f.1)
}
