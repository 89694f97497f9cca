//! Chosen layer pairs, with what they were chosen by.

use serde::{Deserialize, Serialize};
use spectralkd_report::Result;
use spectralkd_report::csv::{Field, Writer};
use spectralkd_report::figure::{Axis, Figure, HeatMap};

use super::Strategy;

/// What the matrix of a [`Choice`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The mean of both layers' intensities, each relative to the highest of
    /// its model: 0 ..= 1.
    Intensity,
    /// Linear CKA: 0 ..= 1.
    Cka,
    /// Log-spectral distance of the channel spectra (dB).
    SpectrumDistance,
}

impl Score {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intensity => "intensity",
            Self::Cka => "cka",
            Self::SpectrumDistance => "spectrum_distance",
        }
    }

    fn axis(self) -> Axis {
        match self {
            Self::Intensity => Axis::new("mean relative intensity").unit("of each model's highest"),
            Self::Cka => Axis::new("linear CKA").unit("biased; 1: alike"),
            Self::SpectrumDistance => Axis::new("log-spectral distance").unit("dB; 0: alike"),
        }
    }
}

/// Layer pairs, and the scores of all pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The rule that chose.
    pub strategy: Strategy,
    /// The student's layers that could be chosen.
    pub student_layers: Vec<usize>,
    /// The teacher's layers that could be chosen.
    pub teacher_layers: Vec<usize>,
    /// The chosen (student layer, teacher layer), by the student's depth.
    pub pairs: Vec<(usize, usize)>,
    /// What [`Choice::matrix`] holds.
    pub score: Option<Score>,
    /// A score for every pair, `[student's layers][teacher's layers]`. The
    /// strategy chose by it, except for [`Strategy::Paper`], which shows the
    /// spectrum distance where that was measured and never looks at it.
    pub matrix: Option<Vec<Vec<Option<f64>>>>,
}

impl Choice {
    /// Every pair of layers as CSV:
    /// `student_layer,teacher_layer,measure,score,chosen`, the measure by
    /// [`Score::name`], `chosen` 0 or 1. Without a matrix, measure and score
    /// are empty.
    pub fn csv(&self) -> String {
        let columns = [
            "student_layer",
            "teacher_layer",
            "measure",
            "score",
            "chosen",
        ];
        let mut out = Writer::new(&columns);
        for (s, &student) in self.student_layers.iter().enumerate() {
            for (t, &teacher) in self.teacher_layers.iter().enumerate() {
                let score = self.matrix.as_ref().and_then(|m| m[s][t]);
                out.row([
                    Field::whole(student as u64),
                    Field::whole(teacher as u64),
                    Field::text(self.score.map_or("", Score::name)),
                    Field::optional(score),
                    Field::whole(u64::from(self.pairs.contains(&(student, teacher)))),
                ]);
            }
        }
        out.finish()
    }

    /// The matrix as a heat map named `pairs-NAME` after the strategy, with the
    /// chosen pairs joined by a line; none without a matrix. `axes` names the
    /// layers, such as `("student block", "teacher block")`.
    ///
    /// # Errors
    /// [`Error::Figure`](spectralkd_report::Error::Figure) when no pair has a score.
    pub fn figure(&self, axes: (&str, &str)) -> Result<Option<Figure>> {
        let (Some(matrix), Some(score)) = (&self.matrix, self.score) else {
            return Ok(None);
        };
        let names = |layers: &[usize]| layers.iter().map(usize::to_string).collect();
        let place = |layers: &[usize], layer| layers.iter().position(|l| *l == layer);
        let path = self.pairs.iter().filter_map(|&(s, t)| {
            Some((
                place(&self.student_layers, s)?,
                place(&self.teacher_layers, t)?,
            ))
        });
        let mut caption = format!("Chosen pairs: {}.", self.strategy.words());
        if self.strategy == Strategy::Paper {
            caption.push_str(" The scores are shown for comparison; the rule does not use them.");
        }
        let name = self.strategy.name();
        HeatMap::new(
            format!("pairs-{name}"),
            format!("Layer pairs by strategy: {name}"),
        )
        .caption(caption)
        .rows(axes.0, names(&self.student_layers))
        .columns(axes.1, names(&self.teacher_layers))
        .values(score.axis(), matrix.clone())
        .path("chosen pairs", path.collect())
        .draw()
        .map(Some)
    }
}
