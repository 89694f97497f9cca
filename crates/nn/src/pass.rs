//! What a forward pass needs to know besides its input.

use spectralkd_base::random::Stream;

/// Evaluation, or training with the random stream of this step.
///
/// A layer that draws (drop path) keys its draws by its own name and by the sample: a
/// sample's draws depend neither on its place in the batch nor on who else is in it.
///
/// ```
/// use spectralkd_base::random::Stream;
/// use spectralkd_nn::Pass;
///
/// let step = Stream::new(7, "drop path").at(12 /* step */);
/// let keys = [4, 8, 15]; // one for each sample of the batch
/// assert!(Pass::train(&step, &keys).is_training());
/// assert!(!Pass::eval().is_training());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass<'a> {
    draws: Option<Draws<'a>>,
}

/// The random draws of one training step.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    stream: &'a Stream,
    samples: &'a [u64],
}

impl<'a> Pass<'a> {
    /// A pass without random draws.
    pub fn eval() -> Self {
        Self { draws: None }
    }

    /// A training pass over the samples of these keys (one per image of the batch), drawing
    /// from `stream`, which the caller has keyed by the step. A key is the sample's number in
    /// the data set, or what else tells the batch's samples apart: two views of one image
    /// that are to draw apart have different keys.
    pub fn train(stream: &'a Stream, samples: &'a [u64]) -> Self {
        let draws = Draws { stream, samples };
        Self { draws: Some(draws) }
    }

    /// Whether this is a training pass.
    pub fn is_training(&self) -> bool {
        self.draws.is_some()
    }

    /// The draws, in a training pass.
    pub fn draws(&self) -> Option<Draws<'a>> {
        self.draws
    }
}

impl Draws<'_> {
    /// The number of samples in the batch.
    pub fn batch(&self) -> usize {
        self.samples.len()
    }

    /// For each sample, whether the layer of this name keeps it: true with probability `keep`.
    pub fn keeps(&self, layer: &str, keep: f64) -> Vec<bool> {
        let layer = self.stream.named(layer);
        let samples = self.samples.iter();
        samples
            .map(|&sample| layer.at(sample).bernoulli(keep))
            .collect()
    }
}
