//! The tables of an analysis.
//!
//! A cell is empty where a quantity is not defined: what divides by the RMS of a layer that is zero
//! everywhere, the effective rank of features that do not vary, a control that was left out.

use spectralkd_report::csv::{Field, Writer};

use super::analysed::{AnalysedLayer, AnalysedModel};

/// Layer, bin and frequency (cycles per channel).
fn bin(layer: &AnalysedLayer, bin: usize) -> [Field<'static>; 3] {
    [
        Field::whole(layer.layer as u64),
        Field::whole(bin as u64),
        Field::number(bin as f64 / layer.channels as f64),
    ]
}

impl AnalysedModel {
    /// `spectra.csv`: `layer,bin,frequency,amplitude`, bins `0 ..= C-1`, frequency `bin / C`.
    pub fn spectra_csv(&self) -> String {
        let mut out = Writer::new(&["layer", "bin", "frequency", "amplitude"]);
        for layer in &self.layers {
            for (k, &amplitude) in layer.amplitude.iter().enumerate() {
                out.row(bin(layer, k).into_iter().chain([Field::number(amplitude)]));
            }
        }
        out.finish()
    }

    /// `intensity.csv`: `layer,intensity,normalised_intensity`. The last is empty for a layer that
    /// is zero everywhere; [`spectralkd_report::csv::Reader::optional_numbers`] reads such a column.
    pub fn intensity_csv(&self) -> String {
        let mut out = Writer::new(&["layer", "intensity", "normalised_intensity"]);
        for layer in &self.layers {
            out.row([
                Field::whole(layer.layer as u64),
                Field::number(layer.intensity),
                Field::optional(layer.normalised_intensity),
            ]);
        }
        out.finish()
    }

    /// `quantiles.csv`: the distribution of the amplitude over images and positions, bins
    /// `0 ..= C/2`.
    pub fn quantiles_csv(&self) -> String {
        let mut out = Writer::new(&[
            "layer",
            "bin",
            "frequency",
            "mean",
            "sd",
            "min",
            "p5",
            "p50",
            "p95",
            "max",
        ]);
        for layer in &self.layers {
            let q = &layer.quantiles;
            let columns = [
                &q.mean,
                &q.standard_deviation,
                &q.min,
                &q.p5,
                &q.p50,
                &q.p95,
                &q.max,
            ];
            for k in 0..q.mean.len() {
                out.row(
                    bin(layer, k)
                        .into_iter()
                        .chain(columns.map(|c| Field::number(c[k]))),
                );
            }
        }
        out.finish()
    }

    /// `bands.csv`: the spectrum in the network's own order of channels and, on the same images,
    /// mean and 5 % and 95 % quantile over random orders, bins `0 ..= C/2`. Without rows for layers
    /// without the control.
    pub fn bands_csv(&self) -> String {
        let mut out = Writer::new(&[
            "layer",
            "bin",
            "frequency",
            "amplitude",
            "permuted_mean",
            "permuted_p5",
            "permuted_p95",
        ]);
        for layer in &self.layers {
            let Some(p) = &layer.permuted else { continue };
            for k in 0..p.mean.len() {
                let columns = [&p.amplitude, &p.mean, &p.low, &p.high];
                out.row(
                    bin(layer, k)
                        .into_iter()
                        .chain(columns.map(|c| Field::number(c[k]))),
                );
            }
        }
        out.finish()
    }

    /// `radial.csv`: `layer,ring,frequency,amplitude`, the frequency in cycles per pixel of the
    /// layer's map (see [`AnalysedLayer::radial`]).
    pub fn radial_csv(&self) -> String {
        let mut out = Writer::new(&["layer", "ring", "frequency", "amplitude"]);
        for layer in &self.layers {
            for (ring, &(frequency, amplitude)) in layer.radial.iter().enumerate() {
                out.row([
                    Field::whole(layer.layer as u64),
                    Field::whole(ring as u64),
                    Field::number(frequency),
                    Field::number(amplitude),
                ]);
            }
        }
        out.finish()
    }

    /// `summary.csv`: one row per layer. Entropies of features are in nats, each followed by its
    /// bound of error; the spectral entropy is a share of `ln C`; the intensities with `permutation`
    /// are those on the images of the control.
    pub fn summary_csv(&self) -> String {
        let mut out = Writer::new(&[
            "layer",
            "depth",
            "channels",
            "height",
            "width",
            "images",
            "min",
            "max",
            "rms",
            "intensity",
            "normalised_intensity",
            "permutations",
            "permutation_images",
            "permutation_own_intensity",
            "permutation_intensity_p5",
            "permutation_intensity_p95",
            "spectral_entropy",
            "feature_entropy",
            "feature_entropy_error",
            "own_range_entropy",
            "own_range_entropy_error",
            "effective_rank",
        ]);
        for (depth, l) in self.depths() {
            let permuted = l.permuted.as_ref();
            out.row([
                Field::whole(l.layer as u64),
                Field::number(depth),
                Field::whole(l.channels as u64),
                Field::whole(l.height as u64),
                Field::whole(l.width as u64),
                Field::whole(l.images),
                Field::number(l.min),
                Field::number(l.max),
                Field::number(l.rms),
                Field::number(l.intensity),
                Field::optional(l.normalised_intensity),
                Field::whole(permuted.map_or(0, |p| p.permutations as u64)),
                Field::whole(permuted.map_or(0, |p| p.images)),
                Field::optional(permuted.map(|p| p.intensity)),
                Field::optional(permuted.map(|p| p.intensity_low)),
                Field::optional(permuted.map(|p| p.intensity_high)),
                Field::optional(l.spectral_entropy),
                Field::number(l.feature_entropy.nats),
                Field::number(l.feature_entropy.error),
                Field::number(l.own_range_entropy.nats),
                Field::number(l.own_range_entropy.error),
                Field::optional(l.effective_rank),
            ]);
        }
        out.finish()
    }
}
