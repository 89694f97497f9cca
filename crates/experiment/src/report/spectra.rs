//! The spectra that the runs have written, read back.

use std::path::Path;

use spectralkd_report::csv::Reader;

use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::folder::RunFolder;

/// Channel spectra of one model, layer by layer.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Mean amplitudes by layer and bin.
    amplitudes: Vec<Vec<f64>>,
    /// None for a layer that is zero everywhere.
    normalised: Vec<Option<f64>>,
}

impl Layers {
    /// Reads `spectra.csv` and `intensity.csv`; `None` where they are not there yet.
    ///
    /// # Errors
    /// A file cannot be read or is no such table.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let (spectra, intensity) = (folder.join("spectra.csv"), folder.join("intensity.csv"));
        if !spectra.is_file() || !intensity.is_file() {
            return Ok(None);
        }
        let read = |path: &Path| -> Result<Reader> {
            let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
            Ok(Reader::parse(&text)?)
        };
        let table = read(&spectra)?;
        let mut layers = Self {
            normalised: read(&intensity)?.optional_numbers("normalised_intensity")?,
            ..Self::default()
        };
        for (layer, amplitude) in table
            .numbers("layer")?
            .iter()
            .zip(table.numbers("amplitude")?)
        {
            let layer = *layer as usize;
            if layers.amplitudes.len() <= layer {
                layers.amplitudes.resize(layer + 1, Vec::new());
            }
            layers.amplitudes[layer].push(amplitude);
        }
        Ok(Some(layers))
    }

    /// Mean amplitudes of a layer, bins 0..C-1.
    pub fn amplitude(&self, layer: usize) -> Option<&[f64]> {
        self.amplitudes
            .get(layer)
            .map(Vec::as_slice)
            .filter(|a| !a.is_empty())
    }

    /// Intensity over that of white noise of the same width and RMS, over relative depth; without layers that
    /// are zero everywhere.
    pub fn normalised_intensity(&self) -> Vec<(f64, f64)> {
        let layers = self.normalised.iter().enumerate();
        let point =
            |(i, value): (usize, &Option<f64>)| Some((depth(i, self.normalised.len()), (*value)?));
        layers.filter_map(point).collect()
    }
}

/// 0 for the first layer, 1 for the last.
fn depth(layer: usize, layers: usize) -> f64 {
    layer as f64 / (layers.max(2) - 1) as f64
}

/// Normalised intensity over relative depth.
#[derive(Clone, Debug, Default)]
pub struct Intensity {
    /// (Depth, mean over seeds).
    pub mean: Vec<(f64, f64)>,
    /// (Lowest, highest) seed.
    pub band: Vec<(f64, f64)>,
}

/// The spectra of an experiment.
#[derive(Clone, Debug)]
pub struct Spectra {
    /// The teacher's.
    pub teacher: Option<Layers>,
    /// The students', by variant, seeds in the experiment's order.
    students: Vec<(String, Layers)>,
}

impl Spectra {
    /// Reads what is there.
    ///
    /// # Errors
    /// A file cannot be read or is no such table.
    pub fn read(experiment: &Experiment, folder: &RunFolder) -> Result<Self> {
        let mut students = Vec::new();
        for variant in &experiment.variants {
            for &seed in &experiment.seeds {
                let layers = Layers::read(&folder.run(&variant.name, seed)?)?;
                students.extend(layers.map(|l| (variant.name.clone(), l)));
            }
        }
        Ok(Self {
            teacher: Layers::read(&folder.root().join("teacher"))?,
            students,
        })
    }

    /// The spectra of a variant's runs.
    pub fn students<'a>(&'a self, variant: &'a str) -> impl Iterator<Item = &'a Layers> {
        self.students
            .iter()
            .filter(move |(v, _)| v == variant)
            .map(|(_, l)| l)
    }

    /// Normalised intensity of a variant's layers over its seeds; without layers that are zero everywhere in one of
    /// them.
    pub fn intensity(&self, variant: &str) -> Option<Intensity> {
        let runs: Vec<&Layers> = self.students(variant).collect();
        let layers = runs.iter().map(|l| l.normalised.len()).min()?;
        let mut intensity = Intensity::default();
        for i in 0..layers {
            let seeds: Option<Vec<f64>> = runs.iter().map(|l| l.normalised[i]).collect();
            let Some(seeds) = seeds else { continue };
            let mean = seeds.iter().sum::<f64>() / seeds.len() as f64;
            let low = seeds.iter().copied().fold(f64::INFINITY, f64::min);
            let high = seeds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            intensity.mean.push((depth(i, layers), mean));
            intensity.band.push((low, high));
        }
        Some(intensity)
    }
}
