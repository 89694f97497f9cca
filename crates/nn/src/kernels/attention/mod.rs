//! Attention: the scores of a block of queries stay in cache, and are never stored.
//!
//! For every head g of every image, where h runs over the heads too:
//!
//! ```text
//! S = (q / sqrt(d)) k^T  [Nq, N]     dV = A^T dO,  dA = dO v^T
//! plain:   A = P = softmax(S)        dS = P (dA - rowsum(P dA))
//! talking: T_g = sum_h L_gh S_h + l_g
//!          P   = softmax(T)          dW_gh = sum(dA_g P_h),  dw_g = sum(dA_g)
//!          A_g = sum_h W_gh P_h + w_g
//!                                    dP = W^T dA,  dT = P (dP - rowsum(P dP))
//!                                    dL_gh = sum(dT_g S_h),  dS = L^T dT
//! O = A v                [Nq, d]     dQ = dS k / sqrt(d),  dK = dS^T q / sqrt(d)
//! ```
//!
//! `l` adds the same number to a whole row, which the softmax cancels. Its gradient is
//! written as the zero that it is in exact arithmetic, and not as rounding noise.
//!
//! Windows of a Swin ([`windows`]) are plain attention, a window for an image, whose scores
//! have a bias: with table row r(i, j) of the relative position of query i and key j, and
//! the mask M, -100 for tokens from different regions of a shifted map and 0 else,
//!
//! ```text
//! S_ij = (q / sqrt(d)) k^T + table[r(i, j)] + M_ij
//! d_table[r] = sum of dS_ij over the pairs with r(i, j) = r, of all windows and images
//! ```
//!
//! How it is blocked: a task (one head of an image, or all of them where they talk) packs
//! its keys transposed and its values row by row into scratch of its thread, once, and
//! then takes the queries a few dozen at a time. All products run through one small kernel
//! of ours (`product`): operands of this size lie in cache already, so that it packs
//! nothing, and it is faster than `gemm` for heads of 50 x 16 (by a third) and as fast for
//! 197 x 64. The backward pass computes P again instead of keeping it: at N = 197, P is
//! three times as large as q, k and v together, and the product is one of five. A single
//! query (class attention) takes a path of its own that packs nothing (`single`).
//!
//! Reference for the blocks: Dao et al. 2022, FlashAttention; but as whole rows of scores
//! fit in cache here, the softmax needs no running maximum. For talking heads: Shazeer et
//! al. 2020, in the order of timm's `TalkingHeadAttn`. For windows: Liu et al. 2021, Swin
//! Transformer, and timm's `WindowAttention`.

mod biased;
mod blocks;
mod dots;
mod partition;
mod passes;
mod product;
mod rows;
mod scratch;
mod single;
mod softmax;
mod target;
#[cfg(test)]
mod tests;
pub mod windows;

pub use partition::Partition;
pub use passes::{backward, forward};
pub use rows::Operand;
pub use target::Target;

/// The sizes of one attention. Channels are heads x head_dim, a head's lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images B.
    pub batch: usize,
    /// Queries Nq of an image.
    pub queries: usize,
    /// Keys, and values, N of an image.
    pub keys: usize,
    /// Heads H.
    pub heads: usize,
    /// Channels d of a head.
    pub head_dim: usize,
}

impl Shape {
    /// Channels C = H d of q, k, v and of the result.
    pub fn channels(&self) -> usize {
        self.heads * self.head_dim
    }

    /// The numbers of q and of the result, B Nq C.
    pub fn query_len(&self) -> usize {
        self.batch * self.queries * self.channels()
    }

    /// The numbers of k and of v, B N C.
    pub fn key_len(&self) -> usize {
        self.batch * self.keys * self.channels()
    }

    /// The numbers of one image's scores, H Nq N.
    pub fn score_len(&self) -> usize {
        self.heads * self.queries * self.keys
    }

    /// What q is multiplied with: head_dim^-0.5.
    fn scale(&self) -> f32 {
        (1.0 / (self.head_dim as f64).sqrt()) as f32
    }

    /// The work of `products` products of all queries with all keys, as
    /// [`super::parallel`] counts it.
    fn work(&self, products: usize) -> usize {
        products * self.batch * self.score_len() * self.head_dim / 8
    }
}

/// The parameters of talking heads, in the order in which they lie in one vector of
/// [`Mixing::len`] numbers: timm's `proj_l.weight` \[H, H\], `proj_l.bias` \[H\],
/// `proj_w.weight` \[H, H\], `proj_w.bias` \[H\].
#[derive(Clone, Copy, Debug)]
pub struct Mixing<V> {
    /// Mixes the scores before the softmax: row g holds the weights of result head g.
    pub l: V,
    /// Added to the mixed scores. The softmax cancels it.
    pub l_bias: V,
    /// Mixes the probabilities after the softmax.
    pub w: V,
    /// Added to the mixed probabilities.
    pub w_bias: V,
}

impl Mixing<()> {
    /// The numbers of the vector, 2 H (H + 1).
    pub fn len(heads: usize) -> usize {
        2 * heads * (heads + 1)
    }
}

impl<'a, T> Mixing<&'a [T]> {
    /// The parts of a mixing vector. Panics unless its length is [`Mixing::len`].
    pub fn split(vector: &'a [T], heads: usize) -> Self {
        assert_eq!(
            vector.len(),
            Mixing::len(heads),
            "a mixing vector has 2 H (H + 1) numbers"
        );
        let (before, after) = vector.split_at(heads * (heads + 1));
        let (l, l_bias) = before.split_at(heads * heads);
        let (w, w_bias) = after.split_at(heads * heads);
        Self {
            l,
            l_bias,
            w,
            w_bias,
        }
    }
}

impl<'a, T> Mixing<&'a mut [T]> {
    /// [`Mixing::split`] for writing.
    pub fn split_mut(vector: &'a mut [T], heads: usize) -> Self {
        assert_eq!(
            vector.len(),
            Mixing::len(heads),
            "a mixing vector has 2 H (H + 1) numbers"
        );
        let (before, after) = vector.split_at_mut(heads * (heads + 1));
        let (l, l_bias) = before.split_at_mut(heads * heads);
        let (w, w_bias) = after.split_at_mut(heads * heads);
        Self {
            l,
            l_bias,
            w,
            w_bias,
        }
    }
}
