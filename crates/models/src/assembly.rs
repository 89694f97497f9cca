//! From a configuration to a model, or to what can be known of it without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use spectralkd_nn::{Builder, Pass};

use crate::cait::Cait;
use crate::deit::Deit;
use crate::sizes::Sizes;
use crate::swin::Swin;
use crate::{Error, ModelConfig, ModelInfo, Output, Result, VisionModel, Wanted, cost};

/// Parameters that timm's models exempt from weight decay by the last part of their name, where they have them.
const NO_WEIGHT_DECAY: [&str; 4] = [
    "pos_embed",
    "cls_token",
    "dist_token",
    "relative_position_bias_table",
];

/// What a family provides: the way from images that have the right shape to the outputs.
pub(crate) trait Network: Send + Sync {
    /// `chosen` fits the model's taps and their prefix tokens.
    fn forward(&self, images: &Tensor, chosen: &Chosen, pass: &Pass) -> Result<Output>;
}

/// A checked [`Wanted`]: what is to be made, for each tap.
pub(crate) struct Chosen {
    /// Whether its map.
    pub maps: Vec<bool>,
    /// Whether its prefix tokens.
    pub prefix: Vec<bool>,
}

impl Chosen {
    fn new(info: &ModelInfo, wanted: &Wanted) -> Result<Self> {
        let taps = info.taps.len();
        let (maps, prefix) = (wanted.maps.wanted(taps)?, wanted.prefix.wanted(taps)?);
        match prefix.iter().position(|&wanted| wanted) {
            Some(asked) if info.prefix == 0 => {
                let family = info.family;
                Err(Error::NoPrefix { asked, family })
            }
            _ => Ok(Self { maps, prefix }),
        }
    }
}

/// What can be said of a network without making it.
pub(crate) struct Outline {
    /// Channels, height and width of an image.
    pub image: [usize; 3],
    /// Logits.
    pub classes: usize,
    /// Channels, rows and columns of each tap.
    pub taps: Vec<[usize; 3]>,
    /// Tokens of each tap beside those of its map.
    pub prefix: usize,
    /// Whether there is a head on a distillation token.
    pub distilled: bool,
    /// Multiply-accumulates of one image.
    pub macs: u128,
}

impl Outline {
    /// Of a network whose blocks are all alike, and which has one head.
    pub fn of_trunk(sizes: &Sizes, macs: u128) -> Self {
        let [rows, columns] = sizes.patches.grid;
        Self {
            image: sizes.patches.image,
            classes: sizes.classes,
            taps: vec![[sizes.block.width, rows, columns]; sizes.depth],
            prefix: 0,
            distilled: false,
            macs,
        }
    }
}

/// Element `i` of `count` evenly spaced numbers from 0 to `last`: timm's drop path over the blocks.
pub(crate) fn linspace(last: f64, i: usize, count: usize) -> f64 {
    last * i as f64 / count.saturating_sub(1).max(1) as f64
}

/// A network with its description, which checks what it is given.
struct Described {
    network: Box<dyn Network>,
    info: ModelInfo,
}

impl VisionModel for Described {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn outputs(&self, images: &Tensor, wanted: &Wanted, pass: &Pass) -> Result<Output> {
        self.info.check_images(images)?;
        let chosen = Chosen::new(&self.info, wanted)?;
        self.network.forward(images, &chosen, pass)
    }
}

pub(crate) fn build(config: &ModelConfig, vb: Builder) -> Result<Box<dyn VisionModel>> {
    let info = info(config)?;
    Ok(Box::new(Described {
        network: network(config, vb)?,
        info,
    }))
}

fn network(config: &ModelConfig, vb: Builder) -> Result<Box<dyn Network>> {
    Ok(match config {
        ModelConfig::Deit(config) => Box::new(Deit::new(config, vb)?),
        ModelConfig::Cait(config) => Box::new(Cait::new(config, vb)?),
        ModelConfig::Swin(config) => Box::new(Swin::new(config, vb)?),
    })
}

pub(crate) fn info(config: &ModelConfig) -> Result<ModelInfo> {
    let outline = match config {
        ModelConfig::Deit(config) => Deit::outline(config)?,
        ModelConfig::Cait(config) => Cait::outline(config)?,
        ModelConfig::Swin(config) => Swin::outline(config)?,
    };
    let parameters = parameters(config)?;
    let count = |shape: &Vec<usize>| shape.iter().map(|&size| size as u64).product::<u64>();
    let exempt = |name: &&String| {
        let last = name.rsplit('.').next();
        last.is_some_and(|last| NO_WEIGHT_DECAY.contains(&last))
    };
    Ok(ModelInfo {
        family: config.family(),
        image: outline.image,
        classes: outline.classes,
        params: parameters.values().map(count).sum(),
        macs: cost::total(outline.macs),
        taps: outline.taps,
        prefix: outline.prefix,
        distilled: outline.distilled,
        no_weight_decay: parameters.keys().filter(exempt).cloned().collect(),
    })
}

/// Builds the network on parameters that take no memory, and notes which ones it asks for.
pub(crate) fn parameters(config: &ModelConfig) -> Result<BTreeMap<String, Vec<usize>>> {
    config.validate()?;
    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    let recorder = Recorder {
        asked: Arc::clone(&asked),
    };
    network(
        config,
        VarBuilder::from_backend(Box::new(recorder), DType::F32, Device::Cpu).into(),
    )?;
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(asked.clone())
}

/// Answers each request for a parameter with one zero that is repeated in all places.
struct Recorder {
    asked: Arc<Mutex<BTreeMap<String, Vec<usize>>>>,
}

impl Recorder {
    /// Made from a variable, so that no layer prepares anything for weights that never change.
    fn zeros(shape: Shape, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        Var::zeros((), dtype, device)?.broadcast_as(shape)
    }
}

impl SimpleBackend for Recorder {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(name.to_string(), shape.dims().to_vec());
        Self::zeros(shape, dtype, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        // Only a layer that does not know its own shape would ask this, and none of ours does.
        Err(candle_core::Error::CannotFindTensor {
            path: name.to_string(),
        })
    }

    /// Nothing is there until it is asked for, so that a layer cannot depend on it.
    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}
