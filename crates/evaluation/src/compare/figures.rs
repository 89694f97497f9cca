//! Heat maps of a comparison.

use spectralkd_report::Result;
use spectralkd_report::figure::{Figure, HeatMap};

use super::comparison::{Comparison, Side};
use super::measure::Measure;
use super::meeting::Pooled;

impl Comparison {
    /// A heat map over all pairs for every measure that has values, with the
    /// identifiers `compare-spectral-loss`, `compare-mse`, `compare-cka` and
    /// `compare-spectrum-distance`; `axes` as in [`Comparison::figure`].
    ///
    /// # Errors
    /// As [`Comparison::figure`].
    pub fn figures(&self, axes: (&str, &str)) -> Result<Vec<Figure>> {
        let drawable =
            |m: &Measure| self.rows.is_empty() || self.rows.iter().any(|r| m.of(r).is_some());
        let measures = Measure::ALL.into_iter().filter(drawable);
        measures.map(|m| self.figure(m, axes)).collect()
    }

    /// The heat map of one measure; `axes` names A's and B's layers, such as
    /// `("student block", "teacher block")`.
    ///
    /// # Errors
    /// [`Error::Figure`](spectralkd_report::Error::Figure) when there is no value to draw.
    pub fn figure(&self, measure: Measure, axes: (&str, &str)) -> Result<Figure> {
        let values = self.matrix(measure);
        let id = format!("compare-{}", measure.column().replace('_', "-"));
        let title = sentence(measure.title());
        HeatMap::new(id, format!("{title}: {} and {}", self.a.name, self.b.name))
            .caption(self.caption(measure))
            .rows(axes.0, layers(&self.a))
            .columns(axes.1, layers(&self.b))
            .values(measure.axis(&values), values)
            .draw()
    }

    fn caption(&self, measure: Measure) -> String {
        let mut caption = format!(
            "{} of every pair of layers of {} and {} on {} images.",
            sentence(measure.title()),
            self.a.name,
            self.b.name,
            self.images
        );
        let count = |what: &dyn Fn(&super::PairRow) -> bool| {
            let found = self.rows.iter().filter(|r| what(r)).count();
            (found > 0).then(|| {
                if found == self.rows.len() {
                    "all pairs".to_owned()
                } else {
                    format!("{found} of {} pairs", self.rows.len())
                }
            })
        };
        if measure == Measure::Cka {
            caption.push_str(
                " The estimator is biased towards 1 where there are few images for many features.",
            );
            return caption;
        }
        for (side, pooled) in [(&self.a, Pooled::A), (&self.b, Pooled::B)] {
            if let Some(pairs) = count(&|r| r.pooled == pooled) {
                caption.push_str(&format!(
                    " In {pairs}, {} is averaged over channels to the other's width.",
                    side.name
                ));
            }
        }
        if measure == Measure::SpectrumDistance {
            caption.push_str(" It depends on the order of channels, which is arbitrary.");
        } else if let Some(pairs) = count(&|r| r.aligned) {
            caption.push_str(&format!(
                " In {pairs}, the larger map is resized to the smaller in the spectral domain."
            ));
        }
        caption
    }
}

/// Layer indices as names.
fn layers(side: &Side) -> Vec<String> {
    side.layers.iter().map(|l| l.index.to_string()).collect()
}

/// `text` with its first letter capital.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
