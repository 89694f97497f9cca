//! What several tests need.
#![allow(dead_code, reason = "no test needs all of it")]

pub mod probe;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use spectralkd_datasets::{
    Batch, BatchRequest, Dataset, Geometry, ImageSet, Loader, Normalise, Pipeline, Raw, Render,
    Sample, ViewKey,
};

/// A file of the golden folder.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// The tensors of a golden file.
pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(golden(name), &Device::Cpu).unwrap()
}

/// A picture of the golden folder, as its file's bytes.
pub fn encoded(name: &str) -> Sample<'static> {
    let path = golden("pictures").join(name);
    Sample::Encoded(std::fs::read(path).unwrap())
}

pub fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Two numbers, as in "24x28".
pub fn size(text: &str) -> [usize; 2] {
    let (height, width) = text.split_once('x').unwrap();
    [height.parse().unwrap(), width.parse().unwrap()]
}

/// A key, as in "seed.epoch.index.repeat".
pub fn key(text: &str) -> ViewKey {
    let numbers: Vec<u64> = text.split('.').map(|n| n.parse().unwrap()).collect();
    ViewKey {
        seed: numbers[0],
        epoch: numbers[1],
        index: numbers[2].try_into().unwrap(),
        repeat: numbers[3].try_into().unwrap(),
    }
}

/// `count` images of `shape` with different pixels; image i has label i % 3.
pub fn many(count: u32, shape: [usize; 3]) -> Arc<ImageSet> {
    let size: usize = shape.iter().product();
    let level = |i: usize| ((i as u64 * 2_654_435_761 % (1 << 32)) >> 24) as u8;
    let pixels = (0..count as usize * size).map(level).collect();
    let labels = (0..count).map(|i| i % 3).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    Arc::new(ImageSet::new(shape, pixels, labels, classes).unwrap())
}

/// A loader in the caller's thread.
pub fn inline(set: Arc<dyn Dataset>, pipeline: &Pipeline) -> Loader {
    Loader::new(set, Arc::new(pipeline.clone()), 0, 0).unwrap()
}

/// The batch of one view: of this picture, for evaluation.
pub fn one(sample: &Sample<'_>, pipeline: &Pipeline) -> Batch {
    let view = pipeline.view(sample, &ViewKey::plain(0)).unwrap();
    let [height, width] = pipeline.size;
    Batch {
        epoch: 0,
        number: 0,
        keys: vec![ViewKey::plain(0)],
        shape: [1, pipeline.channels, height, width],
        views: view.pixels,
        flipped: vec![view.flip],
        erased: vec![view.erased],
        mixing: None,
        labels: None,
        classes: 0,
    }
}

/// A picture as timm's evaluation transform gives it.
pub fn evaluated(
    sample: &Sample<'_>,
    size: [usize; 2],
    crop_pct: f64,
    normalise: Normalise,
) -> Vec<f32> {
    let channels = normalise.mean.len();
    let pipeline = Pipeline::new(size, channels, Geometry::Centre { crop_pct });
    let render = Render::new(size, channels, normalise).unwrap();
    let batch = one(sample, &pipeline);
    floats(&render.render(&batch, &Device::Cpu).unwrap())
}

pub fn raw(shape: [usize; 3], pixels: Vec<u8>) -> Sample<'static> {
    Sample::Raw(Raw::new(shape, pixels).unwrap())
}

/// A request with this seed and epoch.
pub fn request(seed: u64, epoch: u64, items: &[(u32, u32)]) -> BatchRequest {
    BatchRequest {
        seed,
        epoch,
        number: 0,
        items: items.to_vec(),
    }
}

/// The formula of pictures.py, `[3, H, W]`.
pub fn formula(height: usize, width: usize) -> Sample<'static> {
    let level = |i: usize| {
        let noise = ((i as u64 * 2_654_435_761) % (1 << 32)) >> 24;
        let (y, x) = (i / (3 * width), i / 3 % width);
        ((noise + x as u64 * 3 + y as u64 * 5) / 2 % 256) as u8
    };
    let planes = (0..3).flat_map(|c| (0..height * width).map(move |i| level(3 * i + c)));
    raw([3, height, width], planes.collect())
}
