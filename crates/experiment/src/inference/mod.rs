//! What a trained model says about pictures: any model of the registry, with weights from
//! anywhere, on tensors or folders of pictures.
//!
//! - [`Checkpoint`]: a model by timm's name (or an exported folder) with its weights, loaded and
//!   frozen;
//! - [`Images`]: where pictures come from, batch by batch, in the model's own preprocessing;
//! - [`features`]: logits and feature maps into a safetensors file;
//! - [`evaluate()`]: accuracy on labelled pictures;
//! - [`Subject`]: a model on images or a [`FeatureFile`], as analyses take them.
//!
//! Memory does not grow with the number of pictures: images are read, and results written, one
//! batch at a time.

mod checkpoint;
mod evaluate;
mod feature_file;
pub mod features;
mod images;
mod subject;

pub use checkpoint::{Checkpoint, Request, Sizes};
pub use evaluate::{Evaluation, evaluate};
pub use feature_file::FeatureFile;
pub use images::{Images, ImagesFrom};
pub use subject::{Opened, Subject, SubjectSource};
