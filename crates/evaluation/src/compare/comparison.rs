//! What a comparison of two models has found, as tables.

use serde::{Deserialize, Serialize};
use spectralkd_report::csv::{Field, Writer};

use super::measure::Measure;
use super::meeting::Pooled;
use crate::pairs::Scores;

/// A layer of a compared model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Index in its model.
    pub index: usize,
    /// `[C, H, W]`.
    pub shape: [usize; 3],
    /// The paper's intensity: the mean amplitude over all bins of its channel
    /// spectrum (feature units).
    pub intensity: f64,
}

/// A compared model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// Its layers in depth order.
    pub layers: Vec<Layer>,
}

/// What was measured of a pair of layers; the formulas are in
/// [the module](super).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    /// Index of A's layer in its model.
    pub a_layer: usize,
    /// Index of B's layer in its model.
    pub b_layer: usize,
    /// The paper's loss (squared feature units).
    pub spectral_loss: f64,
    /// Plain mean squared error (squared feature units).
    pub mse: f64,
    /// Linear CKA, biased, 0 ..= 1; none where one of the layers is the same
    /// for all images.
    pub cka: Option<f64>,
    /// Log-spectral distance of the mean channel spectra (dB).
    pub spectrum_distance: f64,
    /// Linear CKA with the unbiased estimator of HSIC, at most 1; none for
    /// fewer than four images or a layer without structure.
    pub cka_debiased: Option<f64>,
    /// E: the squared error summed over images and features.
    pub energy: f64,
    /// The part of E at frequency 0 along W.
    pub energy_dc: f64,
    /// The part of E at frequency W/2 along W; 0 for odd W.
    pub energy_nyquist: f64,
    /// `[C, H, W]` at which the errors were taken.
    pub shape: [usize; 3],
    /// Which side was averaged over channels to the other's width.
    pub pooled: Pooled,
    /// Whether the maps differed in size, and were brought to the smaller by
    /// spectral resizing for the two errors.
    pub aligned: bool,
}

/// All pairs of layers of two models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The student's side.
    pub a: Side,
    /// The teacher's side.
    pub b: Side,
    /// Number of images.
    pub images: usize,
    /// A row per pair, A's layers outermost.
    pub rows: Vec<PairRow>,
}

impl Comparison {
    /// `compare.csv`: `a_layer,b_layer,spectral_loss,mse,cka,spectrum_distance`.
    /// The field of a CKA that is not defined is empty.
    pub fn csv(&self) -> String {
        let mut columns = vec!["a_layer", "b_layer"];
        columns.extend(Measure::ALL.map(Measure::column));
        let mut out = Writer::new(&columns);
        for row in &self.rows {
            let layers = [row.a_layer, row.b_layer].map(|l| Field::whole(l as u64));
            let values = Measure::ALL.map(|m| Field::optional(m.of(row)));
            out.row(layers.into_iter().chain(values));
        }
        out.finish()
    }

    /// How each pair was brought together, and the Parseval split of its error:
    /// `a_layer,b_layer,images,channels,height,width,pooled,aligned,energy,energy_dc,energy_nyquist,cka_debiased`.
    ///
    /// `pooled` is `a`, `b` or `neither`, `aligned` 0 or 1, and the shape is the
    /// one at which the errors were taken, so that
    /// `spectral_loss = (energy + energy_dc + energy_nyquist) / (4 * images *
    /// channels * height * (width / 2 + 1))` with whole-number division of the
    /// width.
    pub fn details_csv(&self) -> String {
        let mut out = Writer::new(&[
            "a_layer",
            "b_layer",
            "images",
            "channels",
            "height",
            "width",
            "pooled",
            "aligned",
            "energy",
            "energy_dc",
            "energy_nyquist",
            "cka_debiased",
        ]);
        for row in &self.rows {
            let [c, h, w] = row.shape;
            let counts = [row.a_layer, row.b_layer, self.images, c, h, w];
            let counts = counts.map(|n| Field::whole(n as u64));
            out.row(counts.into_iter().chain([
                Field::text(row.pooled.name()),
                Field::whole(u64::from(row.aligned)),
                Field::number(row.energy),
                Field::number(row.energy_dc),
                Field::number(row.energy_nyquist),
                Field::optional(row.cka_debiased),
            ]));
        }
        out.finish()
    }

    /// A measure as `[A's layers][B's layers]`; none where it is not defined.
    pub fn matrix(&self, measure: Measure) -> Vec<Vec<Option<f64>>> {
        let width = self.b.layers.len().max(1);
        let rows = self.rows.chunks(width);
        rows.map(|row| row.iter().map(|pair| measure.of(pair)).collect())
            .collect()
    }

    /// What the strategies of [`crate::pairs`] choose layer pairs from: A as
    /// the student, B as the teacher.
    pub fn scores(&self) -> Scores {
        let layers = |side: &Side| side.layers.iter().map(|l| l.index).collect();
        let intensities = |side: &Side| side.layers.iter().map(|l| l.intensity).collect();
        let distance = |row: Vec<Option<f64>>| row.into_iter().flatten().collect();
        Scores {
            student_layers: layers(&self.a),
            teacher_layers: layers(&self.b),
            intensities: Some((intensities(&self.a), intensities(&self.b))),
            cka: Some(self.matrix(Measure::Cka)),
            spectrum_distance: Some(
                self.matrix(Measure::SpectrumDistance)
                    .into_iter()
                    .map(distance)
                    .collect(),
            ),
        }
    }
}
