//! One panel of small multiples.

use crate::figure::marks;
use crate::figure::plot::Plot;
use crate::figure::series::Series;
use crate::figure::svg::Svg;

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
    pub(super) fn draw(&self, svg: &mut Svg, plot: &Plot, styles: &[(String, usize)]) {
        let styled = || self.series.iter().map(|s| (s, style(s, styles)));
        for (series, style) in styled() {
            marks::band(svg, plot, series, style);
        }
        for (series, style) in styled() {
            marks::line(svg, plot, series, style, true);
        }
        // On a long line in a small panel, markers would hide more than they tell.
        let marked = styled().filter(|(s, _)| s.points.len() <= 20);
        for (series, style) in marked {
            marks::markers(svg, plot, series, style);
        }
    }
}

/// The style that the series' name has in the whole figure.
fn style(series: &Series, styles: &[(String, usize)]) -> usize {
    let found = styles.iter().find(|(name, _)| *name == series.label);
    found.map_or(0, |f| f.1)
}
