//! What the crates above still use until they are moved onto [`Pipeline`](crate::Pipeline), [`Loader`](crate::Loader)
//! and [`Render`](crate::Render): one loader for images in memory, one for folders of pictures.

mod augment;
mod loader;
mod pictures;
mod preprocess;

pub use augment::Augment;
pub use loader::{Batch, Loader};
pub use pictures::PictureBatch;
pub use preprocess::Preprocess;
