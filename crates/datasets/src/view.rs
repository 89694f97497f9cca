//! One view of one image, and the key that it depends on.

use spectralkd_base::random::Stream;

use crate::erase::ErasedBox;

/// Everything that a view of an image depends on, besides the pipeline: not the batch that it
/// stands in, the threads that make it, or the rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewKey {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// Where the image stands in its data set.
    pub index: u32,
    /// Which of several views of the image in this epoch, from 0.
    pub repeat: u32,
}

impl ViewKey {
    /// The key of a view where nothing is drawn: seed, epoch and repeat are 0.
    pub fn plain(index: u32) -> Self {
        Self {
            seed: 0,
            epoch: 0,
            index,
            repeat: 0,
        }
    }

    /// The random stream of this view for this purpose ("flip", "crop", ...).
    pub fn stream(&self, purpose: &str) -> Stream {
        let epoch = Stream::new(self.seed, purpose).at(self.epoch);
        epoch.at(self.draw_key())
    }

    /// What tells apart the views of one step for random draws of layers, which are keyed by
    /// the step besides: the index in the low 32 bits, the repeat in the high ones.
    pub fn draw_key(&self) -> u64 {
        u64::from(self.index) | (u64::from(self.repeat) << 32)
    }
}

/// A view of an image: its levels, and what remains to be done to them.
///
/// The levels are neither mirrored nor erased yet, so that each consumer can bring them to its
/// own size first ([`Render`](crate::Render)).
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The levels, `[C, H, W]`: one plane per channel, 0 black and 255 full.
    pub pixels: Vec<u8>,
    /// Whether the view is mirrored, left and right.
    pub flip: bool,
    /// The parts that are erased, in pixels of the (mirrored) view.
    pub erased: Vec<ErasedBox>,
}
