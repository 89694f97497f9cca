//! Spectra of models on one fixed batch of test images that covers all classes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use spectralkd_base::files::write_atomic;
use spectralkd_datasets::{Batch, Render};
use spectralkd_distillation::{FrozenTeacher, Student, Teacher, shapes};
use spectralkd_evaluation::spectra::{ModelSpectra, PairDistances};
use spectralkd_models::{Taps, VisionModel};
use spectralkd_nn::Pass;

use crate::config::Experiment;
use crate::data::Images;
use crate::error::Result;
use crate::needs::comparable;

/// The fixed batch, and the teacher's features on it.
#[derive(Debug)]
pub struct Analysis {
    views: Batch,
    /// Where the models lie.
    device: Device,
    /// (student block, teacher block).
    pairs: Vec<(usize, usize)>,
    /// The teacher's features by block.
    teacher: Vec<(usize, Tensor)>,
}

impl Analysis {
    /// Takes the first `per_class` test images of each class and the teacher's features on them.
    ///
    /// # Errors
    /// There are fewer images of a class, or the teacher's forward pass failed.
    pub fn new(
        experiment: &Experiment,
        teacher: &FrozenTeacher,
        images: &Images,
        per_class: usize,
    ) -> Result<Self> {
        let student = shapes(&images.student(&experiment.model)?.info()?);
        let mut pairs = experiment.pairs();
        // Maps of other grids, or of a wider student, have no such distance.
        pairs.retain(|pair| comparable(&[*pair], &student, teacher.shapes()));
        let indices = images.test.class_balanced(per_class)?;
        let views = images.views(&images.test, &indices)?;
        let taps: Taps = pairs.iter().map(|(_, t)| *t).collect();
        let device = teacher.device().clone();
        let rendered = teacher.render().render(&views, &device)?;
        let output = teacher.model().forward(&rendered, &taps, &Pass::eval())?;
        Ok(Self {
            views,
            device,
            pairs,
            teacher: output.features,
        })
    }

    /// How far a student's layers are from the teacher's: for every pair the spectral loss by
    /// [`distance_key`], and the distance of the mean channel spectra by [`spectrum_key`].
    ///
    /// # Errors
    /// The student's forward pass failed, or its features are not finite.
    pub fn distances(&self, student: &Student) -> Result<BTreeMap<String, f64>> {
        let taps: Taps = self.pairs.iter().map(|(s, _)| *s).collect();
        let images = student.render.render(&self.views, &self.device)?;
        let output = student.model.forward(&images, &taps, &Pass::eval())?;
        let mut distances = PairDistances::new(&self.pairs)?;
        distances.push(&output.features, &self.teacher)?;
        let mut metrics = BTreeMap::new();
        for d in distances.distances()? {
            let (s, t) = (d.student_layer, d.teacher_layer);
            metrics.insert(distance_key(s, t), d.spectral_loss);
            metrics.insert(spectrum_key(s, t), d.spectrum_distance);
        }
        Ok(metrics)
    }

    /// Writes `spectra.csv` and `intensity.csv` of all blocks of a model into a folder.
    ///
    /// # Errors
    /// The forward pass failed, features are not finite, or a file cannot be written.
    pub fn write_spectra(
        &self,
        model: &dyn VisionModel,
        render: &Render,
        folder: &Path,
    ) -> Result<()> {
        let images = render.render(&self.views, &self.device)?;
        let output = model.forward(&images, &Taps::All, &Pass::eval())?;
        let mut spectra = ModelSpectra::new();
        spectra.push(&output.features)?;
        write_atomic(
            &folder.join("spectra.csv"),
            spectra.spectra_csv().as_bytes(),
        )?;
        write_atomic(
            &folder.join("intensity.csv"),
            spectra.intensity_csv().as_bytes(),
        )?;
        Ok(())
    }
}

/// The name under which a pair's spectral loss stands among the metrics of an epoch.
pub fn distance_key(student: usize, teacher: usize) -> String {
    format!("distance.{student}-{teacher}")
}

/// The name under which the distance of a pair's mean channel spectra (dB) stands among the
/// metrics of an epoch.
pub fn spectrum_key(student: usize, teacher: usize) -> String {
    format!("spectrum.{student}-{teacher}")
}
