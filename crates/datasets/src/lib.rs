//! Images on their way to a model: read from where they are, made into views, put into batches
//! and rendered to the tensors that a model takes.
//!
//! What an image goes through, in this order:
//!
//! - a [`Dataset`] gives it by its index, as bytes or as the content of its file. [`ImageSet`]
//!   has images in memory ([`idx`] reads them from MNIST's format, [`fashion_mnist`] has some
//!   inside this crate), [`ImageFolder`] photographs in a folder per class or alone, and
//!   [`Subset`] some of the images of another; [`kind`] says which of these a folder is;
//! - a [`Sampler`] says which images make up which batch, per epoch and per rank: as
//!   [`BatchRequest`]s from a cursor on;
//! - a [`Pipeline`] makes a [`View`] of it: decoded, grey or in colours, cut and resized
//!   ([`Geometry`]) in 8 bits, and what remains to be done as data: whether it is mirrored,
//!   what is erased ([`Erase`]), and how a batch is mixed ([`Mix`]);
//! - a [`Loader`] puts views into [`Batch`]es, ahead of their use in threads of its own;
//! - [`Render`] makes f32 `[B, C, H, W]` of a batch, for each consumer in its own size, channels
//!   and normalisation ([`Normalise`]).
//!
//! Nothing here depends on time, thread or call order: a view is a function of its
//! [`ViewKey`] (seed, epoch, index, repeat). Nothing here opens a socket.
//!
//! In a training loop of one's own:
//!
//! ```
//! use std::sync::Arc;
//! use candle_core::Device;
//! use spectralkd_datasets::{
//!     Dataset, DatasetError, Geometry, ImageSet, Loader, Normalise, Pipeline, Render, Sampler,
//! };
//!
//! // Six grey 2x2 images of two classes; `ImageFolder::open(path)?` for photographs.
//! let classes = vec!["dark".to_owned(), "light".to_owned()];
//! let set = ImageSet::new([1, 2, 2], (0..24).collect(), vec![0, 0, 0, 1, 1, 1], classes)?;
//! let render = Render::new([2, 2], 1, Normalise::fit(&set)?)?;
//! let set: Arc<dyn Dataset> = Arc::new(set);
//!
//! // Training: mirrored at random, in shuffled batches of 2, 4 of them loaded ahead by 2 threads.
//! let seed = 7;
//! let plain = Pipeline::new([2, 2], 1, Geometry::AsIs);
//! let training = Pipeline { flip: 0.5, ..plain.clone() };
//! let loader = Loader::new(set.clone(), Arc::new(training), 2, 4)?;
//! let sampler = Sampler::shuffled(set.len(), 2, seed, 0, 1)?;
//! let (epoch, batch) = (0, 0); // of a checkpoint, for a run that goes on
//! for batch in loader.stream(sampler.from(epoch, batch)) {
//!     let batch = batch?;
//!     let images = render.render(&batch, &Device::Cpu)?; // [2, 1, 2, 2]
//!     let labels = batch.labels_tensor(&Device::Cpu)?; // [2]
//!     // ... the model's step on `images` and `labels` ...
//!     # assert_eq!((images.dims(), labels.unwrap().dims()), (&[2, 1, 2, 2][..], &[2][..]));
//!     if batch.epoch == 2 {
//!         break; // the requests are endless; this stops the threads
//!     }
//! }
//!
//! // Evaluation: every image once, in this thread.
//! let loader = Loader::new(set.clone(), Arc::new(plain), 0, 0)?;
//! let mut seen = 0;
//! for batch in loader.stream(Sampler::plain(set.len(), 4)?) {
//!     seen += batch?.len();
//! }
//! assert_eq!(seen, 6);
//! # Ok::<(), DatasetError>(())
//! ```
pub mod fashion_mnist;
pub mod idx;

mod batch;
mod dataset;
mod erase;
mod error;
mod geometry;
mod image;
mod image_folder;
mod image_set;
mod listing;
mod loader;
mod mixing;
mod normalise;
mod picture;
mod pipeline;
mod rect;
mod render;
mod requests;
mod resize;
mod sampler;
mod subset;
mod view;

pub use batch::Batch;
pub use dataset::{Dataset, Raw, Sample};
pub use erase::{Erase, ErasedBox, Fill};
pub use error::{DatasetError, Result};
pub use geometry::Geometry;
pub use image_folder::ImageFolder;
pub use image_set::ImageSet;
pub use listing::{Kind, kind};
pub use loader::{Batches, Loader};
pub use mixing::{Mix, Mixing};
pub use normalise::Normalise;
pub use picture::{EXTENSIONS, Picture};
pub use pipeline::Pipeline;
pub use rect::Rect;
pub use render::Render;
pub use requests::{BatchRequest, Requests};
pub use sampler::{Order, Sampler, SamplerOptions};
pub use subset::Subset;
pub use view::{View, ViewKey};

/// Bytes as hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
