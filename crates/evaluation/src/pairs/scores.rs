//! What layer pairs are chosen from.

use serde::{Deserialize, Serialize};

use super::problem::PairsProblem;

/// What was measured of a student and a teacher, as far as pairs are chosen by
/// it; [`Comparison::scores`](crate::compare::Comparison::scores) gives all of
/// it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The student's layers to choose from, ascending.
    pub student_layers: Vec<usize>,
    /// The teacher's layers to choose from, ascending.
    pub teacher_layers: Vec<usize>,
    /// Intensity of each of the student's and of each of the teacher's layers
    /// (feature units): the mean amplitude over all bins of the channel
    /// spectrum. They are compared within a model only.
    pub intensities: Option<(Vec<f64>, Vec<f64>)>,
    /// Linear CKA, `[student's layers][teacher's layers]`.
    pub cka: Option<Vec<Vec<Option<f64>>>>,
    /// Log-spectral distance of the channel spectra (dB), likewise.
    pub spectrum_distance: Option<Vec<Vec<f64>>>,
}

impl Scores {
    /// Nothing measured, all layers of models of these depths:
    /// [`Strategy::Paper`](super::Strategy::Paper) needs no more.
    pub fn of_depths(student: usize, teacher: usize) -> Self {
        Self {
            student_layers: (0..student).collect(),
            teacher_layers: (0..teacher).collect(),
            ..Self::default()
        }
    }

    pub(super) fn room_for(&self, count: usize) -> Result<(), PairsProblem> {
        if count == 0 {
            return Err(PairsProblem::Nothing);
        }
        for (model, layers) in self.models() {
            if layers.len() < count {
                return Err(PairsProblem::TooMany {
                    model,
                    layers: layers.len(),
                });
            }
        }
        Ok(())
    }

    /// Layers rise, and all scores there are fit them and are finite.
    pub(super) fn check(&self) -> Result<(), PairsProblem> {
        for (model, layers) in self.models() {
            if layers.windows(2).any(|w| w[0] >= w[1]) {
                return Err(PairsProblem::Order {
                    model,
                    layers: layers.clone(),
                });
            }
        }
        if let Some((student, teacher)) = &self.intensities {
            let what = "intensities";
            self.fits(what, (student.len(), teacher.len()))?;
            let bad = |values: &[f64]| values.iter().position(|v| !v.is_finite());
            match (bad(student), bad(teacher)) {
                (None, None) => {}
                (s, t) => {
                    let at = (s.unwrap_or(0), t.unwrap_or(0));
                    return Err(PairsProblem::NotFinite { what, at });
                }
            }
        }
        if let Some(cka) = &self.cka {
            self.check_matrix("values of CKA", cka, |v| v.is_none_or(f64::is_finite))?;
        }
        if let Some(distance) = &self.spectrum_distance {
            self.check_matrix("spectrum distances", distance, |v| v.is_finite())?;
        }
        Ok(())
    }

    fn models(&self) -> [(&'static str, &Vec<usize>); 2] {
        [
            ("student", &self.student_layers),
            ("teacher", &self.teacher_layers),
        ]
    }

    fn fits(&self, what: &'static str, got: (usize, usize)) -> Result<(), PairsProblem> {
        let want = (self.student_layers.len(), self.teacher_layers.len());
        if got == want {
            return Ok(());
        }
        Err(PairsProblem::Shape { what, got, want })
    }

    fn check_matrix<T: Copy>(
        &self,
        what: &'static str,
        matrix: &[Vec<T>],
        finite: impl Fn(T) -> bool,
    ) -> Result<(), PairsProblem> {
        let want = self.teacher_layers.len();
        let odd = matrix.iter().map(Vec::len).find(|&len| len != want);
        self.fits(what, (matrix.len(), odd.unwrap_or(want)))?;
        for (s, row) in matrix.iter().enumerate() {
            if let Some(t) = row.iter().position(|&v| !finite(v)) {
                return Err(PairsProblem::NotFinite { what, at: (s, t) });
            }
        }
        Ok(())
    }
}
