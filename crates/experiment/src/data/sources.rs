//! The data sets of an experiment, opened and cut to its size.

use std::path::Path;
use std::sync::Arc;

use spectralkd_datasets::{Dataset, ImageFolder, ImageSet, Sample, Subset, fashion_mnist, idx};

use crate::config::{Data, DataSource};
use crate::error::{Error, Result};

pub(super) type Split = Arc<dyn Dataset>;

/// Training and test images, and where they came from.
pub(super) fn source(data: &Data, folder: Option<&Path>) -> Result<(Split, Split, String)> {
    let needed = || {
        folder.ok_or_else(|| {
            Error::Data(
                "name the folder of the images with --data DIR, or with `path` in [data]"
                    .to_owned(),
            )
        })
    };
    let name = |given: &Option<String>, default: &str| given.clone().unwrap_or(default.into());
    match data.dataset {
        DataSource::FashionMnist => {
            let splits = match (folder, name(&data.train, "embedded").as_str()) {
                (Some(folder), _) => fashion_mnist::from_dir(folder)?,
                (None, "embedded") => fashion_mnist::embedded()?,
                (None, _) => {
                    return Err(Error::Data(
                        "this profile trains on all 60,000 images: name the folder that holds them with --data DIR \
                         (Debian's package dataset-fashion-mnist installs them under /usr/share/datasets/fashion-mnist)"
                            .into(),
                    ));
                }
            };
            Ok((Arc::new(splits.train), Arc::new(splits.test), splits.origin))
        }
        DataSource::Idx => {
            let folder = needed()?;
            let split = |given, default: &str| -> Result<Split> {
                let set: ImageSet = idx::read_split(folder, &name(given, default))?;
                Ok(Arc::new(set))
            };
            let (train, test) = (split(&data.train, "train")?, split(&data.test, "t10k")?);
            Ok((train, test, folder.display().to_string()))
        }
        DataSource::Folder => {
            let folder = needed()?;
            let split = |given, default: &str| -> Result<Split> {
                let folder = folder.join(name(given, default));
                Ok(Arc::new(ImageFolder::open(&folder)?))
            };
            let (train, test) = (split(&data.train, "train")?, split(&data.test, "val")?);
            Ok((train, test, folder.display().to_string()))
        }
    }
}

pub(super) fn in_words(classes: &[String]) -> String {
    let first: Vec<&str> = classes.iter().map(String::as_str).take(3).collect();
    format!("{} ({}, ...)", classes.len(), first.join(", "))
}

/// The first `per_class` images of each class, in the data set's order; all of them for `None`.
pub(super) fn first_of_each_class(set: Split, per_class: Option<usize>) -> Result<Split> {
    match per_class {
        None => Ok(set),
        Some(n) => {
            let chosen = set.class_balanced(n)?;
            Ok(Arc::new(Subset::new(set, chosen)?))
        }
    }
}

/// Channels of the views: those that the images have.
pub(super) fn channels(data: &Data, images: &dyn Dataset) -> Result<usize> {
    if let Some(channels) = data.channels() {
        return Ok(channels);
    }
    Ok(match images.sample(0)? {
        Sample::Raw(raw) => raw.shape()[0],
        Sample::Encoded(_) => 3,
    })
}
