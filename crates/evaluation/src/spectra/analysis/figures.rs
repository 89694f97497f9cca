//! The figures of an analysis.

use spectralkd_report::Result;
use spectralkd_report::figure::{Axis, Figure, LineChart, Panel, Series, SmallMultiples};

use super::analysed::{AnalysedLayer, AnalysedModel};

/// The caution that belongs under every channel spectrum.
const ORDER: &str = "The order of channels in a network is arbitrary, and a channel spectrum depends on it: only bin \
                     0 and the total energy are the same in every order.";

/// Entropy in nats of a uniform histogram of 100 bins.
const MOST_ENTROPY: f64 = 4.605_170_185_988_092;

/// One value per layer over the relative depth, with a band where there is one.
type Point = (f64, f64, Option<(f64, f64)>);

fn over_depth(
    model: &AnalysedModel,
    value: impl Fn(&AnalysedLayer) -> Option<Point>,
) -> Vec<Point> {
    let at = |(depth, layer)| value(layer).map(|(_, y, band)| (depth, y, band));
    model.depths().filter_map(at).collect()
}

/// A series if there is any point; the band where all points have one.
fn series(model: &AnalysedModel, points: Vec<Point>) -> Option<Series> {
    if points.is_empty() {
        return None;
    }
    let band: Option<Vec<_>> = points.iter().map(|p| p.2).collect();
    let line = points.iter().map(|p| (p.0, p.1)).collect();
    let series = Series::new(&model.name, line);
    Some(match band {
        Some(band) => series.band(band),
        None => series,
    })
}

fn depth_axis() -> Axis {
    Axis::new("relative depth")
        .unit("0: first layer, 1: last layer")
        .covering(0.0, 1.0)
}

/// What the captions say of layers that a figure leaves out.
fn silent(models: &[&AnalysedModel]) -> String {
    let silent = models.iter().flat_map(|m| {
        let dead = m.layers.iter().filter(|l| l.rms == 0.0);
        dead.map(|l| format!("layer {} of {}", l.layer, m.name))
    });
    let names: Vec<String> = silent.collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" Left out, since zero everywhere: {}.", names.join(", "))
}

fn band_words(models: &[&AnalysedModel]) -> String {
    let layers = models.iter().flat_map(|m| &m.layers);
    let permuted: Vec<_> = layers.filter_map(|l| l.permuted.as_ref()).collect();
    let (Some(count), Some(images)) = (
        permuted.iter().map(|p| p.permutations).max(),
        permuted.iter().map(|p| p.images).max(),
    ) else {
        return String::new();
    };
    format!(
        " Bands: 5 % to 95 % over {count} random channel orders, relative to the network's order on the same \
         (the first {images}) images; a line outside its band owes something to the order of the channels."
    )
}

/// The band of random channel orders around a measure of the layer's intensity: the ratio to the
/// network's own order is taken on the images that the orders were compared on.
fn intensity_band(layer: &AnalysedLayer, value: f64) -> Option<(f64, f64)> {
    let p = layer.permuted.as_ref()?;
    let unit = if p.intensity > 0.0 {
        value / p.intensity
    } else {
        0.0
    };
    Some((p.intensity_low * unit, p.intensity_high * unit))
}

/// Model-wise intensity over relative depth, one line per model (the paper's Figure 3): the plain
/// intensity, which widths and magnitudes set, with the band of random channel orders.
///
/// # Errors
/// [`spectralkd_report::Error::Figure`]: no model, two of one name, or more than there are styles.
pub fn intensity_figure(models: &[&AnalysedModel]) -> Result<Figure> {
    let mut chart = LineChart::new("intensity", "Model-wise intensity over depth")
        .x(depth_axis())
        .y(Axis::new("intensity").unit("feature units").from_zero())
        .caption(format!(
            "Modulus of the Fourier transform over channels, divided by their number, mean over all bins, images and \
             positions. White noise of one RMS is lower by the root of the ratio in a layer with more channels: \
             compare models of other widths in the normalised figure. {ORDER}{}",
            band_words(models),
        ));
    for model in models {
        let value = |l: &AnalysedLayer| Some((0.0, l.intensity, intensity_band(l, l.intensity)));
        if let Some(series) = series(model, over_depth(model, value)) {
            chart = chart.series(series);
        }
    }
    chart.draw()
}

/// [`intensity_figure`] on the scale that models of all widths share: divided by the intensity of
/// white noise of the same width and RMS.
///
/// # Errors
/// As [`intensity_figure`], and where every layer is zero everywhere.
pub fn normalised_intensity_figure(models: &[&AnalysedModel]) -> Result<Figure> {
    let mut chart = LineChart::new("normalised-intensity", "Normalised intensity over depth")
        .x(depth_axis())
        .y(Axis::new("normalised intensity").unit("white noise: 1"))
        .reference("white noise", 1.0)
        .caption(format!(
            "Intensity divided by that of white noise of the same width and RMS, 0.886 RMS/√C. {ORDER}{}{}",
            band_words(models),
            silent(models),
        ));
    for model in models {
        let value = |l: &AnalysedLayer| {
            let normalised = l.normalised_intensity?;
            Some((0.0, normalised, intensity_band(l, normalised)))
        };
        if let Some(series) = series(model, over_depth(model, value)) {
            chart = chart.series(series);
        }
    }
    chart.draw()
}

/// Layer-wise channel spectra, a panel per layer on one scale: `k` in `0..C/2` over the frequency
/// `k / C`, in the network's own order and with the band of random orders of the same images.
///
/// # Errors
/// [`spectralkd_report::Error::Figure`] where every layer is zero everywhere.
pub fn spectra_figure(model: &AnalysedModel) -> Result<Figure> {
    let id = format!("spectra-{}", slug(&model.name));
    let mut figure = SmallMultiples::new(id, format!("Layer-wise channel spectra of {}", model.name))
        .x(Axis::new("normalised frequency").unit("cycles per channel"))
        .y(Axis::new("mean amplitude").unit("feature units").logarithmic())
        .caption(format!(
            "Modulus of the Fourier transform over channels, divided by their number, mean over images and positions, \
             bins below half the channels. {ORDER}{}{}",
            band_words(&[model]),
            silent(&[model]),
        ));
    for layer in &model.layers {
        let (own, random) = match &layer.permuted {
            Some(p) => (&p.amplitude, Some(p)),
            None => (&layer.quantiles.mean, None),
        };
        let loudest = own.iter().copied().fold(0.0, f64::max);
        // Rounding's own zeros would stretch a logarithmic axis to nothing.
        let audible = |k: &usize| own[*k] > 1e-9 * loudest;
        let at = |k: usize| k as f64 / layer.channels as f64;
        let bins: Vec<usize> = (0..layer.channels.div_ceil(2)).filter(audible).collect();
        if bins.is_empty() {
            continue;
        }
        let mut panel = Panel::new(format!("layer {}", layer.layer));
        if let Some(p) = random {
            let bins: Vec<usize> = bins
                .iter()
                .copied()
                .filter(|&k| p.low[k] > 1e-9 * loudest)
                .collect();
            if !bins.is_empty() {
                let line = bins.iter().map(|&k| (at(k), p.mean[k])).collect();
                let band = bins.iter().map(|&k| (p.low[k], p.high[k])).collect();
                panel = panel.series(
                    Series::new("random channel orders", line)
                        .band(band)
                        .style(1),
                );
            }
        }
        let line = bins.iter().map(|&k| (at(k), own[k])).collect();
        figure = figure.panel(panel.series(Series::new("the network's order", line).style(0)));
    }
    figure.draw()
}

/// Spatial spectra, a panel per layer on one scale: the mean over rings of equal frequency.
///
/// # Errors
/// [`spectralkd_report::Error::Figure`] where every layer is zero everywhere.
pub fn radial_figure(model: &AnalysedModel) -> Result<Figure> {
    let id = format!("radial-{}", slug(&model.name));
    let mut figure = SmallMultiples::new(id, format!("Spatial spectra of {}", model.name))
        .x(Axis::new("spatial frequency").unit("cycles per pixel of the feature map").covering(0.0, 0.5))
        .y(Axis::new("mean amplitude").unit("feature units").logarithmic())
        .caption(format!(
            "Modulus of the orthonormal two-dimensional Fourier transform over height and width, mean over images \
             and channels and over rings one bin wide around each frequency; corners beyond the last ring are left \
             out. Independent of the order of channels.{}",
            silent(&[model]),
        ));
    for layer in &model.layers {
        let loudest = layer.radial.iter().map(|r| r.1).fold(0.0, f64::max);
        let audible = |&&(_, a): &&(f64, f64)| a > 1e-9 * loudest;
        let points: Vec<_> = layer.radial.iter().filter(audible).copied().collect();
        if !points.is_empty() {
            let name = format!("layer {}", layer.layer);
            let line = Series::new(&model.name, points).style(0);
            figure = figure.panel(Panel::new(name).series(line));
        }
    }
    figure.draw()
}

/// Entropies and effective rank over relative depth, one line per model: each as a share of its
/// largest possible value, so that all panels have one scale.
///
/// # Errors
/// As [`intensity_figure`].
pub fn depth_figure(models: &[&AnalysedModel]) -> Result<Figure> {
    type Share = fn(&AnalysedLayer) -> Option<f64>;
    let panels: [(&str, Share); 4] = [
        ("effective rank / channels", |l| {
            l.effective_rank.map(|r| r / l.channels as f64)
        }),
        ("spectral entropy / ln channels", |l| l.spectral_entropy),
        ("feature entropy / ln 100", |l| {
            Some(l.feature_entropy.nats / MOST_ENTROPY)
        }),
        ("the same, own range", |l| {
            Some(l.own_range_entropy.nats / MOST_ENTROPY)
        }),
    ];
    let mut figure = SmallMultiples::new("depth", "Effective rank and entropies over depth")
        .x(depth_axis().covering(-0.06, 1.06)) // tick labels of neighbours keep apart
        .y(Axis::new("share of the largest possible value").covering(0.0, 1.05))
        .columns(2)
        .caption(format!(
            "Effective rank: exponential of the entropy of the eigenvalues of the channels' covariance, images and \
             positions as samples. Spectral entropy: of the mean channel spectrum, which depends on the order of \
             channels. Feature entropy: of the histogram of all values in 100 bins over the range of all layers, or \
             of the layer alone.{}",
            silent(models),
        ));
    for (title, share) in panels {
        let mut panel = Panel::new(title);
        let mut any = false;
        for model in models {
            let value = |l: &AnalysedLayer| share(l).map(|v| (0.0, v, None));
            if let Some(series) = series(model, over_depth(model, value)) {
                panel = panel.series(series);
                any = true;
            }
        }
        if any {
            figure = figure.panel(panel);
        }
    }
    figure.draw()
}

/// A name as part of a figure's identifier.
fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}
