//! Which tokens of an image make up its windows.

/// The tokens of an image cut into windows of N tokens each, with what their scores get
/// added: a bias for every pair of places in a window, looked up in a table, and
/// [`Partition::MASKED`] for pairs of tokens from different regions of the image.
///
/// Every token is in one window only: tasks rely on it when they write window by window.
#[derive(Clone, Debug)]
pub struct Partition {
    area: usize,
    /// Window after window.
    tokens: Vec<u32>,
    /// Laid out as `tokens`.
    regions: Vec<u32>,
    /// Of each window, whether its tokens are of different regions.
    mixed: Vec<bool>,
    /// [N, N].
    positions: Vec<u32>,
    rows: usize,
}

impl Partition {
    /// What is added to the score of two tokens from different regions (timm's number).
    pub const MASKED: f64 = -100.0;

    /// Windows of `area` tokens: `tokens` lists them, window after window, `regions` names
    /// the region of each, and `positions` [N, N] is the row that a pair of places has in a
    /// table of `rows` biases.
    ///
    /// Panics unless `tokens` is a permutation of 0, 1, ... that `area` divides, and the
    /// others fit.
    pub fn new(
        area: usize,
        tokens: Vec<u32>,
        regions: Vec<u32>,
        positions: Vec<u32>,
        rows: usize,
    ) -> Self {
        assert!(area > 0 && !tokens.is_empty() && tokens.len().is_multiple_of(area));
        assert_eq!(tokens.len(), regions.len(), "a region for each token");
        assert_eq!(positions.len(), area * area, "a position for each pair");
        assert!(positions.iter().all(|&row| (row as usize) < rows));
        let mut seen = vec![false; tokens.len()];
        for &token in &tokens {
            let seen = &mut seen[token as usize];
            assert!(!*seen, "token {token} is in two windows");
            *seen = true;
        }
        let mixed = regions
            .chunks(area)
            .map(|regions| regions.iter().any(|region| *region != regions[0]));
        Self {
            area,
            mixed: mixed.collect(),
            tokens,
            regions,
            positions,
            rows,
        }
    }

    /// Tokens N of a window.
    pub fn area(&self) -> usize {
        self.area
    }

    /// Windows of an image.
    pub fn windows(&self) -> usize {
        self.mixed.len()
    }

    /// The rows of the table of biases.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The row that each pair of places has in the table, [N, N].
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The tokens of a window.
    pub fn tokens(&self, window: usize) -> &[u32] {
        &self.tokens[window * self.area..][..self.area]
    }

    /// The regions of a window's tokens, if it has more than one.
    pub fn regions(&self, window: usize) -> Option<&[u32]> {
        self.mixed[window].then(|| &self.regions[window * self.area..][..self.area])
    }
}
