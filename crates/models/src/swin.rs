//! Swin: attention within windows that shift from block to block, on maps that shrink from stage
//! to stage (Liu et al. 2021, "Swin Transformer: hierarchical Vision Transformer using shifted
//! windows"), as timm's `SwinTransformer`.

use candle_core::Tensor;
use spectralkd_nn::{Builder, Pass};

use crate::assembly::{Chosen, Network, Outline, linspace};
use crate::parts::{BlockStyle, Head, Stage, Stem};
use crate::sizes::StagedSizes;
use crate::{Output, Result, SwinConfig, cost};

const STYLE: BlockStyle = BlockStyle {
    epsilon: 1e-5,
    layer_scale: None,
};

pub(crate) struct Swin {
    stem: Stem,
    stages: Vec<Stage>,
    head: Head,
}

impl Swin {
    pub fn new(config: &SwinConfig, vb: Builder) -> Result<Self> {
        let sizes = config.sizes()?;
        let (first, last) = ends(&sizes);
        let blocks = sizes.stages.iter().map(|stage| stage.depth).sum();
        let mut stages = Vec::new();
        let mut before = 0;
        for (i, stage) in sizes.stages.iter().enumerate() {
            let drop = |block| linspace(sizes.drop_path, before + block, blocks);
            stages.push(Stage::new(stage, STYLE, drop, vb.pp("layers").pp(i))?);
            before += stage.depth;
        }
        Ok(Self {
            stem: Stem::with_norm(&sizes.patches, first, STYLE.epsilon, vb.clone())?,
            stages,
            head: Head::of_mean(last, sizes.classes, STYLE.epsilon, vb)?,
        })
    }

    pub fn outline(config: &SwinConfig) -> Result<Outline> {
        let sizes = config.sizes()?;
        let (first, last) = ends(&sizes);
        let shapes = sizes.stages.iter().map(|stage| {
            let [rows, columns] = stage.map;
            [stage.block.width, rows, columns]
        });
        let taps: Vec<[usize; 3]> = shapes.collect();
        let tokens = taps.last().map_or(0, |[_, rows, columns]| rows * columns);
        let macs = Stem::macs(&sizes.patches, first)
            + cost::layer_norm(sizes.patches.count(), first)
            + sizes.stages.iter().map(Stage::macs).sum::<u128>()
            + Head::macs(tokens, last, sizes.classes, 1);
        Ok(Outline {
            image: sizes.patches.image,
            classes: sizes.classes,
            taps,
            prefix: 0,
            distilled: false,
            macs,
        })
    }
}

/// Channels of the first and of the last stage.
fn ends(sizes: &StagedSizes) -> (usize, usize) {
    let width = |stage: Option<&crate::sizes::StageSizes>| stage.map_or(0, |s| s.block.width);
    (width(sizes.stages.first()), width(sizes.stages.last()))
}

impl Network for Swin {
    fn forward(&self, images: &Tensor, chosen: &Chosen, pass: &Pass) -> Result<Output> {
        let mut tokens = self.stem.forward(images)?;
        let mut features = Vec::new();
        for (i, (stage, wanted)) in self.stages.iter().zip(&chosen.maps).enumerate() {
            tokens = stage.forward(tokens, pass)?;
            if *wanted {
                features.push((i, stage.to_map(&tokens)?));
            }
        }
        Output::new(self.head.forward(&tokens)?, features, Vec::new())
    }
}
