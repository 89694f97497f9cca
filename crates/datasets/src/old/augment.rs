//! The random changes to training images.

use spectralkd_base::random::Stream;

/// The random changes to training images. Flips are the only ones so far: an image then has
/// two versions, and what a teacher says about each can be computed once and kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// Mirror left and right, with probability 1/2 per image and epoch.
    pub flip: bool,
}

impl Augment {
    /// Whether image `index` is mirrored in this epoch. It depends on the four numbers only:
    /// not on the batch, the rank or the order of the images.
    pub fn flips(&self, seed: u64, epoch: u64, index: u32) -> bool {
        self.flip
            && Stream::new(seed, "flip")
                .at(epoch)
                .at(index.into())
                .bernoulli(0.5)
    }
}
