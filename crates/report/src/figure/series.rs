//! A named list of points, the content of line charts and small multiples.

use super::Head;
use super::palette::STYLES;
use crate::error::{FigureProblem, Result};

/// A named list of points, with or without a band around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) band: Option<Vec<(f64, f64)>>,
    pub(crate) style: Option<usize>,
}

impl Series {
    /// Points (x, y), drawn in the order given and connected by a line.
    pub fn new(label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            label: label.into(),
            points,
            band: None,
            style: None,
        }
    }

    /// A band from low to high around every point, such as the smallest and
    /// the largest of several seeds, or a confidence interval. The caption
    /// must say which.
    pub fn band(mut self, band: Vec<(f64, f64)>) -> Self {
        self.band = Some(band);
        self
    }

    /// The style, from 0 to [`STYLES`] - 1, so that one variant looks the same
    /// in all figures; without it the place in the list decides.
    pub fn style(mut self, style: usize) -> Self {
        self.style = Some(style);
        self
    }

    /// The style at place `index` of a list.
    pub(crate) fn style_at(&self, index: usize) -> usize {
        self.style.unwrap_or(index) % STYLES
    }

    pub(crate) fn check(&self, head: &Head) -> Result<()> {
        let name = &self.label;
        if self.points.is_empty() {
            return head.fail(FigureProblem::Empty(name.clone()));
        }
        head.finite(name, self.points.iter().map(|p| p.0))?;
        head.finite(name, self.points.iter().map(|p| p.1))?;
        let Some(band) = &self.band else {
            return Ok(());
        };
        let name = format!("band of {name}");
        if band.len() != self.points.len() {
            return head.fail(FigureProblem::Length {
                name,
                got: band.len(),
                want: self.points.len(),
            });
        }
        head.finite(&name, band.iter().map(|b| b.0))?;
        head.finite(&name, band.iter().map(|b| b.1))?;
        match band.iter().find(|(low, high)| low > high) {
            Some(&(low, high)) => head.fail(FigureProblem::Reversed { name, low, high }),
            None => Ok(()),
        }
    }

    /// All y values, with the band's.
    pub(crate) fn heights(&self) -> impl Iterator<Item = f64> + '_ {
        let band = self.band.iter().flatten().flat_map(|&(l, h)| [l, h]);
        self.points.iter().map(|p| p.1).chain(band)
    }

    /// The point furthest to the right.
    pub(crate) fn last(&self) -> (f64, f64) {
        let first = self.points.first().copied().unwrap_or_default();
        self.points
            .iter()
            .fold(first, |best, &p| if p.0 >= best.0 { p } else { best })
    }
}

/// Checks a list of series: every one by itself, names apart, styles apart.
pub(crate) fn check_all(head: &Head, series: &[Series]) -> Result<()> {
    if series.is_empty() {
        return head.fail(FigureProblem::Nothing("series"));
    }
    if series.len() > STYLES {
        return head.fail(FigureProblem::TooMany {
            got: series.len(),
            most: STYLES,
        });
    }
    head.distinct(series.iter().map(|s| s.label.as_str()))?;
    series.iter().try_for_each(|s| s.check(head))
}

/// "from 48.4 at 1 to 81.5 at 8", for descriptions.
pub(crate) fn in_words(series: &Series) -> String {
    use crate::format::significant;
    let first = series.points.first().copied().unwrap_or_default();
    let last = series.points.last().copied().unwrap_or_default();
    let n = |v| significant(v, 4);
    if series.points.len() == 1 {
        return format!("{}: {} at {}", series.label, n(first.1), n(first.0));
    }
    format!(
        "{}: {} points, from {} at {} to {} at {}",
        series.label,
        series.points.len(),
        n(first.1),
        n(first.0),
        n(last.1),
        n(last.0)
    )
}
