//! Trained weights leave the run folder: [`recipe`] puts them where other experiments find them,
//! [`timm`] into a folder that timm opens.

pub mod timm;

mod recipe;

pub use recipe::recipe;
