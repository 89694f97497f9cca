//! The pass over all images that gives means, channel spectra and differences.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use spectralkd_base::progress::Progress;
use spectralkd_spectral::{ChannelSpectrum, adaptive_avg_pool_channels};

use super::energy::Energy;
use super::features::Source;
use super::meeting::{Meeting, forms};
use crate::error::Result;

/// What the pass has gathered of one layer.
pub(super) struct LayerSums {
    /// Mean over images of every feature, `[C, H, W]`.
    pub(super) mean: Vec<f64>,
    /// Channel spectra by width: its own, and those it is pooled to.
    pub(super) spectra: BTreeMap<usize, ChannelSpectrum>,
}

/// What the pass has gathered.
pub(super) struct Pass {
    pub(super) a: Vec<LayerSums>,
    pub(super) b: Vec<LayerSums>,
    /// Squared errors by pair, A's layers outermost.
    pub(super) energies: Vec<Energy>,
}

/// Features of one layer in the forms in which it meets others: by form, image
/// after image.
type Forms = BTreeMap<[usize; 3], Vec<f64>>;

/// Runs the pass in blocks of images that need about `memory` bytes.
pub(super) fn run(
    a: &mut Source,
    b: &mut Source,
    memory: usize,
    progress: &dyn Progress,
) -> Result<Pass> {
    let images = a.images();
    let block = (memory / per_image(a, b)).clamp(1, images);
    let pairs: Vec<(usize, usize)> = (0..a.layers.len())
        .flat_map(|i| (0..b.layers.len()).map(move |j| (i, j)))
        .collect();
    let mut pass = Pass {
        a: empty(a, b),
        b: empty(b, a),
        energies: vec![Energy::default(); pairs.len()],
    };
    let mut stage = progress.stage("differences of layers", images as u64, "images");
    for first in (0..images).step_by(block) {
        let block = first..(first + block).min(images);
        let own = gather(a, &b.layers, &mut pass.a, &block)?;
        let other = gather(b, &a.layers, &mut pass.b, &block)?;
        let shapes = (&a.layers, &b.layers);
        let sums = pass.energies.par_iter_mut().zip(&pairs);
        sums.for_each(|(sum, &(i, j))| {
            let shape = Meeting::of(shapes.0[i].1, shapes.1[j].1).shape;
            let size = shape.iter().product();
            let maps = own[i][&shape].chunks_exact(size);
            // Image by image, so that the cut into blocks changes no bit.
            for (x, y) in maps.zip(other[j][&shape].chunks_exact(size)) {
                sum.add(Energy::between(x, y, shape[2]));
            }
        });
        stage.advance(block.len() as u64);
    }
    for sums in pass.a.iter_mut().chain(&mut pass.b) {
        sums.mean.iter_mut().for_each(|m| *m /= images as f64);
    }
    Ok(pass)
}

/// Bytes that one image takes: all forms of all layers as f64, and the largest
/// layer four times over while it is read and pooled.
fn per_image(a: &Source, b: &Source) -> usize {
    let forms_of = |own: &Source, other: &Source| -> usize {
        let layers = own.layers.iter().flat_map(|l| forms(l.1, &other.layers));
        layers.map(|f| f.iter().product::<usize>()).sum()
    };
    let largest = |s: &Source| (0..s.layers.len()).map(|at| s.size(at)).max().unwrap_or(1);
    8 * (forms_of(a, b) + forms_of(b, a) + 4 * largest(a).max(largest(b)))
}

fn empty(own: &Source, other: &Source) -> Vec<LayerSums> {
    let layer = |(at, &(_, shape)): (usize, &(usize, [usize; 3]))| {
        let widths = forms(shape, &other.layers).into_iter().map(|form| form[0]);
        let widths = widths.chain([shape[0]]);
        LayerSums {
            mean: vec![0.0; own.size(at)],
            spectra: widths.map(|c| (c, ChannelSpectrum::new(c))).collect(),
        }
    };
    own.layers.iter().enumerate().map(layer).collect()
}

/// Reads a block of every layer, adds it to the sums and brings it into the
/// forms needed.
fn gather(
    source: &mut Source,
    others: &[(usize, [usize; 3])],
    sums: &mut [LayerSums],
    block: &Range<usize>,
) -> Result<Vec<Forms>> {
    let mut layers = Vec::with_capacity(sums.len());
    for (at, sums) in sums.iter_mut().enumerate() {
        let shape = source.layers[at].1;
        let values = source.read(at, block.clone())?;
        add_images(&mut sums.mean, &values);
        let dims = [block.len(), shape[0], shape[1], shape[2]];
        let features = Tensor::from_vec(values, &dims[..], &Device::Cpu)?;
        let mut pooled = BTreeMap::new();
        for (&width, spectrum) in &mut sums.spectra {
            let narrow = adaptive_avg_pool_channels(&features, width)?;
            spectrum.push(&narrow)?;
            pooled.insert(width, narrow);
        }
        let mut maps = Forms::new();
        for form in forms(shape, others) {
            let map = aligned(&pooled[&form[0]], [form[1], form[2]])?;
            maps.insert(form, map.flatten_all()?.to_vec1()?);
        }
        layers.push(maps);
    }
    Ok(layers)
}

/// `[N, C, H, W]` resized to `size`.
fn aligned(map: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    if map.dims()[2..] == size {
        return Ok(map.clone());
    }
    Ok(spectralkd_spectral::resize(map, size)?)
}

/// Adds images `[N, ...]` to sums `[...]`, one after the other.
fn add_images(sums: &mut [f64], values: &[f64]) {
    const FEATURES_PER_TASK: usize = 4096;
    let size = sums.len();
    let tasks = sums.par_chunks_mut(FEATURES_PER_TASK).enumerate();
    tasks.for_each(|(task, sums)| {
        let first = task * FEATURES_PER_TASK;
        for image in values.chunks_exact(size) {
            for (sum, value) in sums.iter_mut().zip(&image[first..]) {
                *sum += value;
            }
        }
    });
}
