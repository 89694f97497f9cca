//! The bars of one model or variant.

use crate::error::{FigureProblem, Result};
use crate::figure::Head;
use crate::figure::palette::STYLES;

/// The bars of one model or variant, one value per category.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub(super) label: String,
    pub(super) values: Vec<Option<f64>>,
    pub(super) spread: Option<Vec<Option<(f64, f64)>>>,
    pub(super) style: Option<usize>,
}

impl Group {
    /// One value per category of the chart; none where there is nothing, such
    /// as a layer that the smaller model does not have.
    pub fn new(label: impl Into<String>, values: Vec<Option<f64>>) -> Self {
        Self {
            label: label.into(),
            values,
            spread: None,
            style: None,
        }
    }

    /// An interval from low to high per category, drawn as a whisker. The
    /// caption must say which interval it is.
    pub fn spread(mut self, spread: Vec<Option<(f64, f64)>>) -> Self {
        self.spread = Some(spread);
        self
    }

    /// The style, from 0 to [`STYLES`](crate::figure::STYLES) - 1; without it the place decides.
    pub fn style(mut self, style: usize) -> Self {
        self.style = Some(style);
        self
    }

    pub(super) fn style_at(&self, index: usize) -> usize {
        self.style.unwrap_or(index) % STYLES
    }

    pub(super) fn interval(&self, category: usize) -> Option<(f64, f64)> {
        self.spread.as_ref().and_then(|s| s[category])
    }

    pub(super) fn check(&self, head: &Head, categories: usize) -> Result<()> {
        let length = |name: &str, got: usize| {
            if got == categories {
                return Ok(());
            }
            head.fail(FigureProblem::Length {
                name: name.to_owned(),
                got,
                want: categories,
            })
        };
        length(&self.label, self.values.len())?;
        if self.values.iter().all(Option::is_none) {
            return head.fail(FigureProblem::Empty(self.label.clone()));
        }
        head.finite(&self.label, self.values.iter().flatten().copied())?;
        let Some(spread) = &self.spread else {
            return Ok(());
        };
        let name = format!("spread of {}", self.label);
        length(&name, spread.len())?;
        head.finite(&name, spread.iter().flatten().flat_map(|&(l, h)| [l, h]))?;
        match spread.iter().flatten().find(|(low, high)| low > high) {
            Some(&(low, high)) => head.fail(FigureProblem::Reversed { name, low, high }),
            None => Ok(()),
        }
    }
}
