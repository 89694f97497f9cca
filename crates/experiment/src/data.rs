//! The images of an experiment, cut to its size.

use std::path::Path;
use std::sync::Arc;

use spectralkd_datasets::old::{Augment, Loader};
use spectralkd_datasets::{Dataset as _, ImageSet, Normalise, fashion_mnist};

use crate::config::{Dataset, Experiment, TrainSet};
use crate::error::{Error, Result};
use crate::manifest::DataRecord;
use crate::plan::DataSize;

/// Training and test images in memory.
#[derive(Clone, Debug)]
pub struct Images {
    /// Training images.
    pub train: Arc<ImageSet>,
    /// Test images.
    pub test: Arc<ImageSet>,
    /// The test images of the learning curves.
    pub curve: Arc<ImageSet>,
    /// How pixels become numbers.
    pub normalise: Normalise,
    /// Where the images came from, with checksums.
    pub record: DataRecord,
}

/// Reads the images: from `folder` if one is named, else the embedded ones.
///
/// # Errors
/// The experiment needs the full set and no folder is named; a file is missing or damaged; there
/// are fewer images of a class than asked for.
pub fn load(experiment: &Experiment, folder: Option<&Path>) -> Result<Images> {
    let Dataset::FashionMnist = experiment.data.dataset;
    let splits = match (folder, experiment.data.train) {
        (Some(folder), _) => fashion_mnist::from_dir(folder)?,
        (None, TrainSet::Embedded) => fashion_mnist::embedded()?,
        (None, TrainSet::Full) => {
            return Err(Error::Missing(
                "this profile trains on all 60,000 images: name the folder that holds them with --data DIR \
                 (Debian's package dataset-fashion-mnist installs them under /usr/share/datasets/fashion-mnist)"
                    .into(),
            ));
        }
    };
    let train = cut(splits.train, experiment.data.per_class)?;
    let test = cut(splits.test, experiment.data.test_per_class)?;
    let test = Arc::new(test);
    let curve = match experiment.data.curve_per_class {
        Some(n) => Arc::new(cut((*test).clone(), Some(n))?),
        None => Arc::clone(&test),
    };
    let record = DataRecord {
        origin: splits.origin,
        train_images: train.len(),
        train_sha256: train.sha256().to_owned(),
        test_images: test.len(),
        test_sha256: test.sha256().to_owned(),
    };
    Ok(Images {
        train: Arc::new(train),
        test,
        curve,
        normalise: Normalise {
            mean: experiment.data.mean.clone(),
            std: experiment.data.std.clone(),
        },
        record,
    })
}

impl Images {
    /// A loader of one of these sets, without augmentation.
    ///
    /// # Errors
    /// The normalisation does not fit the images.
    pub fn plain(&self, set: &Arc<ImageSet>) -> Result<Loader> {
        let augment = Augment { flip: false };
        Ok(Loader::new(
            Arc::clone(set),
            self.normalise.clone(),
            augment,
            0,
        )?)
    }

    /// How many there are.
    pub fn size(&self) -> DataSize {
        DataSize {
            train: self.train.len(),
            test: self.test.len(),
            curve: self.curve.len(),
        }
    }
}

/// The first `per_class` images of each class, in file order; all of them for `None`.
fn cut(set: ImageSet, per_class: Option<usize>) -> Result<ImageSet> {
    match per_class {
        None => Ok(set),
        Some(n) => Ok(set.subset(&set.class_balanced(n)?)?),
    }
}
