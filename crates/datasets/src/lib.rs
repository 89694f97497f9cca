//! Labelled images on their way to a model: read from local files (or from the copy of
//! Fashion-MNIST inside this crate), resized, normalised, flipped, shuffled, and assembled
//! into batches of candle tensors.
//!
//! - [`ImageSet`]: the images of one split as bytes, with their labels and class names;
//! - [`idx`]: the IDX file format, plain or gzipped, read with every check it allows;
//! - [`fashion_mnist`]: Fashion-MNIST, embedded (feature `embedded`, on by default) or from
//!   a folder, through the same reader;
//! - [`ImageFolder`]: photographs in a folder per class (or without classes), read when asked
//!   for; [`Picture`] decodes one, [`Preprocess`] brings it to a model's input as timm does;
//! - [`kind`]: which of these layouts a folder has;
//! - [`Normalise`] and [`Augment`]: what happens to an image before the model sees it;
//! - [`Sampler`]: which images make up which batch, per epoch and per rank;
//! - [`Loader`]: the batches themselves, `[B, C, H, W]` in f32 with u32 labels.
//!
//! Nothing here depends on time, thread or call order: a batch is a function of the seed,
//! the epoch and the indices asked for. Nothing here opens a socket.
//!
//! ```
//! use std::sync::Arc;
//! use spectralkd_datasets::{Augment, ImageSet, Loader, Normalise, Sampler};
//!
//! // Six grey 2x2 images of two classes.
//! let pixels: Vec<u8> = (0..24).collect();
//! let classes = vec!["dark".to_owned(), "light".to_owned()];
//! let set = Arc::new(ImageSet::new([1, 2, 2], pixels, vec![0, 0, 0, 1, 1, 1], classes)?);
//!
//! let loader = Loader::new(set.clone(), Normalise::fit(&set)?, Augment { flip: true }, 7)?;
//! let sampler = Sampler::shuffled(set.len(), 2, 7, 0, 1)?;
//! for epoch in 0..3 {
//!     for indices in sampler.epoch(epoch) {
//!         let batch = loader.batch(epoch, &indices)?;
//!         assert_eq!(batch.images.dims(), [2, 1, 2, 2]);
//!         assert_eq!(batch.labels.dims(), [2]);
//!     }
//! }
//! # Ok::<(), spectralkd_datasets::DatasetError>(())
//! ```

pub mod fashion_mnist;
pub mod idx;

mod error;
mod image_folder;
mod image_set;
mod listing;
mod loader;
mod picture;
mod preprocess;
mod resize;
mod sampler;
mod transform;

pub use error::{DatasetError, Result};
pub use image_folder::{ImageFolder, PictureBatch};
pub use image_set::ImageSet;
pub use listing::{Kind, kind};
pub use loader::{Batch, Loader};
pub use picture::{EXTENSIONS, Picture};
pub use preprocess::Preprocess;
pub use sampler::{Order, Sampler, SamplerOptions};
pub use transform::{Augment, Normalise};
