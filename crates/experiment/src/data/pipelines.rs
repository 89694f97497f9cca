//! From an image to a view, in training and in evaluation, and the normalisation of a model's input.

use spectralkd_datasets::{Erase, Fill, Geometry, Mix, Normalise, Pipeline, fashion_mnist};

use crate::config::{Crop, Data, DataSource};
use crate::error::{Error, Result};

pub(super) fn training(data: &Data, size: [usize; 2], channels: usize) -> Pipeline {
    let mixes = data.mixup > 0.0 || data.cutmix > 0.0;
    let geometry = match data.crop() {
        Crop::None => Geometry::AsIs,
        Crop::Centre => Geometry::Centre {
            crop_pct: data.crop_pct,
        },
        Crop::RandomResized => Geometry::RandomResizedCrop {
            scale: data.scale,
            ratio: data.ratio,
        },
    };
    Pipeline {
        flip: if data.flip { 0.5 } else { 0.0 },
        erase: (data.erase > 0.0).then(|| Erase::new(data.erase, Fill::Noise)),
        mix: mixes.then_some(Mix {
            mixup: data.mixup,
            cutmix: data.cutmix,
            probability: 1.0,
            switch: 0.5,
        }),
        ..Pipeline::new(size, channels, geometry)
    }
}

pub(super) fn evaluation(data: &Data, size: [usize; 2], channels: usize) -> Pipeline {
    let geometry = match data.dataset {
        DataSource::FashionMnist | DataSource::Idx => Geometry::AsIs,
        DataSource::Folder => Geometry::Centre {
            crop_pct: data.crop_pct,
        },
    };
    Pipeline::new(size, channels, geometry)
}

/// A mean (and so a standard deviation) must have a number for each channel of the model's images.
///
/// # Errors
/// It has another number of them.
pub(crate) fn one_for_each_channel(
    table: &str,
    mean: Option<&[f32]>,
    channels: usize,
) -> Result<()> {
    match mean {
        Some(mean) if mean.len() != channels => Err(Error::Data(format!(
            "`{table}.mean` and `{table}.std` have {} numbers, and the model's images {channels} channels: give one for \
             each",
            mean.len()
        ))),
        _ => Ok(()),
    }
}

/// The student's normalisation.
pub(super) fn normalise(data: &Data, channels: usize) -> Result<Normalise> {
    let given = data.mean.clone().zip(data.std.clone());
    let normalise = match (given, data.dataset) {
        (Some((mean, std)), _) => Normalise { mean, std },
        (None, DataSource::FashionMnist) => fashion_mnist::normalise(),
        (None, _) if channels == 3 => Normalise::imagenet(),
        (None, _) => Normalise {
            mean: vec![0.5; channels],
            std: vec![0.5; channels],
        },
    };
    Ok(normalise)
}

/// A normalisation for so many channels: itself, or the mean over its channels for each.
pub(super) fn spread(normalise: Normalise, channels: usize) -> Normalise {
    let fit = |values: Vec<f32>| {
        if values.len() == channels {
            return values;
        }
        let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
        vec![mean; channels]
    };
    Normalise {
        mean: fit(normalise.mean),
        std: fit(normalise.std),
    }
}
