//! What is said of the images: their numbers and checksums.

use serde::{Deserialize, Serialize};

/// The images that were used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Where they came from.
    pub origin: String,
    /// Number of training images.
    pub train_images: usize,
    /// SHA-256 over training images and labels.
    pub train_sha256: String,
    /// Number of test images.
    pub test_images: usize,
    /// SHA-256 over test images and labels.
    pub test_sha256: String,
}

/// How many images there are.
#[derive(Clone, Copy, Debug)]
pub struct DataSize {
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Test images of the learning curves.
    pub curve: usize,
}
