//! Scalar twins of softmax, class and talking-heads attention.
//!
//! With `S_h = (q_h / sqrt(d)) k_h^T` for each head h (Vaswani et al. 2017, equation 1):
//!
//! - plain: `P_h = softmax(S_h)` over the keys, `out_h = P_h v_h`;
//! - talking heads (Shazeer et al. 2020; the order is timm's `TalkingHeadAttn`):
//!   `T_g = sum_h L_gh S_h + l_g`, `P_g = softmax(T_g)`, `A_g = sum_h W_gh P_h + w_g`,
//!   `out_g = A_g v_g`;
//! - biased (the windows of a Swin; [`super::windows`]): `S_h` gets a bias added.
//!
//! The backward pass is the chain rule, line by line, in the opposite order. Tensors are
//! q [B, Nq, C], k and v [B, N, C] with channel `h * d + c` for channel c of head h.

use super::Real;
use crate::kernels::attention::{Mixing, Shape};

/// Attention's output [B, Nq, C]; talking heads if there is a `mixing` vector
/// (see [`Mixing`]). Panics if a slice does not fit the shape.
pub fn forward<T: Real>(shape: Shape, q: &[T], k: &[T], v: &[T], mixing: Option<&[T]>) -> Vec<T> {
    biased_forward(shape, [q, k, v], mixing, None)
}

/// [`forward`] of q, k and v with a `bias` [H, Nq, N] added to every image's scores.
pub fn biased_forward<T: Real>(
    shape: Shape,
    [q, k, v]: [&[T]; 3],
    mixing: Option<&[T]>,
    bias: Option<&[T]>,
) -> Vec<T> {
    let mixing = mixing.map(|mixing| Mixing::split(mixing, shape.heads));
    let mut out = vec![T::zero(); shape.query_len()];
    for image in 0..shape.batch {
        let state = weights(shape, image, [q, k], mixing, bias);
        for (h, i, j) in pairs(shape) {
            let weight = state.weights[shape.score(h, i, j)];
            for c in 0..shape.head_dim {
                out[shape.query(image, i, h, c)] += weight * v[shape.key(image, j, h, c)];
            }
        }
    }
    out
}

/// The gradients of attention.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// With respect to q [B, Nq, C].
    pub q: Vec<T>,
    /// With respect to k [B, N, C].
    pub k: Vec<T>,
    /// With respect to v [B, N, C].
    pub v: Vec<T>,
    /// With respect to the mixing vector; empty for plain attention.
    pub mixing: Vec<T>,
    /// With respect to the bias [H, Nq, N].
    pub bias: Vec<T>,
}

/// The gradients of a function whose gradient with respect to [`forward`]'s result is
/// `grad` [B, Nq, C]. Panics if a slice does not fit the shape.
pub fn backward<T: Real>(
    shape: Shape,
    q: &[T],
    k: &[T],
    v: &[T],
    mixing: Option<&[T]>,
    grad: &[T],
) -> Gradients<T> {
    biased_backward(shape, [q, k, v], mixing, None, grad)
}

/// [`backward`] of [`biased_forward`].
pub fn biased_backward<T: Real>(
    shape: Shape,
    [q, k, v]: [&[T]; 3],
    mixing: Option<&[T]>,
    bias: Option<&[T]>,
    grad: &[T],
) -> Gradients<T> {
    let mut out = Gradients {
        q: vec![T::zero(); shape.query_len()],
        k: vec![T::zero(); shape.key_len()],
        v: vec![T::zero(); shape.key_len()],
        mixing: vec![T::zero(); mixing.map_or(0, <[T]>::len)],
        bias: vec![T::zero(); shape.score_len()],
    };
    let split = mixing.map(|mixing| Mixing::split(mixing, shape.heads));
    let scale = scale::<T>(shape);
    for image in 0..shape.batch {
        let state = weights(shape, image, [q, k], split, bias);
        // out = A v
        let mut d_weights = vec![T::zero(); shape.score_len()];
        for (h, i, j) in pairs(shape) {
            for c in 0..shape.head_dim {
                let g = grad[shape.query(image, i, h, c)];
                d_weights[shape.score(h, i, j)] += g * v[shape.key(image, j, h, c)];
                out.v[shape.key(image, j, h, c)] += state.weights[shape.score(h, i, j)] * g;
            }
        }
        // A = W P + w, P = softmax(T), T = L S + l
        let d_scores = if let Some(mixing) = split {
            let parts = Mixing::split_mut(&mut out.mixing, shape.heads);
            let (p, s) = (&state.probabilities, &state.scores);
            let d_p = mix_backward(shape, mixing.w, p, &d_weights, parts.w, parts.w_bias);
            let d_t = softmax_backward(shape, p, &d_p);
            mix_backward(shape, mixing.l, s, &d_t, parts.l, parts.l_bias)
        } else {
            softmax_backward(shape, &state.probabilities, &d_weights)
        };
        // S = scale q k^T + bias
        for (h, i, j) in pairs(shape) {
            out.bias[shape.score(h, i, j)] += d_scores[shape.score(h, i, j)];
            let d_score = d_scores[shape.score(h, i, j)] * scale;
            for c in 0..shape.head_dim {
                let (query, key) = (shape.query(image, i, h, c), shape.key(image, j, h, c));
                out.q[query] += d_score * k[key];
                out.k[key] += d_score * q[query];
            }
        }
    }
    out
}

/// What the forward pass holds of one image, each [H, Nq, N].
struct State<T> {
    /// S: scaled products of queries and keys.
    scores: Vec<T>,
    /// P: after the softmax.
    probabilities: Vec<T>,
    /// A: what the values are weighted with.
    weights: Vec<T>,
}

fn weights<T: Real>(
    shape: Shape,
    image: usize,
    [q, k]: [&[T]; 2],
    mixing: Option<Mixing<&[T]>>,
    bias: Option<&[T]>,
) -> State<T> {
    let scale = scale::<T>(shape);
    let mut scores = match bias {
        Some(bias) => bias.to_vec(),
        None => vec![T::zero(); shape.score_len()],
    };
    for (h, i, j) in pairs(shape) {
        for c in 0..shape.head_dim {
            let scaled = q[shape.query(image, i, h, c)] * scale;
            scores[shape.score(h, i, j)] += scaled * k[shape.key(image, j, h, c)];
        }
    }
    let Some(mixing) = mixing else {
        let probabilities = softmax(shape, &scores);
        return State {
            scores,
            weights: probabilities.clone(),
            probabilities,
        };
    };
    let probabilities = softmax(shape, &mix(shape, mixing.l, mixing.l_bias, &scores));
    let weights = mix(shape, mixing.w, mixing.w_bias, &probabilities);
    State {
        scores,
        probabilities,
        weights,
    }
}

fn scale<T: Real>(shape: Shape) -> T {
    T::one() / T::of(shape.head_dim as f64).sqrt()
}

/// Every head, query and key.
fn pairs(shape: Shape) -> impl Iterator<Item = (usize, usize, usize)> {
    let Shape {
        heads,
        queries,
        keys,
        ..
    } = shape;
    (0..heads * queries * keys).map(move |n| (n / (queries * keys), n / keys % queries, n % keys))
}

/// `y_g = sum_h weight[g, h] x_h + bias_g`
fn mix<T: Real>(shape: Shape, weight: &[T], bias: &[T], x: &[T]) -> Vec<T> {
    let mut y = vec![T::zero(); x.len()];
    for (g, i, j) in pairs(shape) {
        let mut sum = bias[g];
        for h in 0..shape.heads {
            sum += weight[g * shape.heads + h] * x[shape.score(h, i, j)];
        }
        y[shape.score(g, i, j)] = sum;
    }
    y
}

/// The gradient with respect to [`mix`]'s x; those of its weight and bias are added on.
fn mix_backward<T: Real>(
    shape: Shape,
    weight: &[T],
    x: &[T],
    d_y: &[T],
    d_weight: &mut [T],
    d_bias: &mut [T],
) -> Vec<T> {
    let mut d_x = vec![T::zero(); x.len()];
    for (g, i, j) in pairs(shape) {
        let d = d_y[shape.score(g, i, j)];
        d_bias[g] += d;
        for h in 0..shape.heads {
            d_weight[g * shape.heads + h] += d * x[shape.score(h, i, j)];
            d_x[shape.score(h, i, j)] += weight[g * shape.heads + h] * d;
        }
    }
    d_x
}

/// `e^(x_j - max x) / sum_j e^(x_j - max x)` over each row of keys.
fn softmax<T: Real>(shape: Shape, x: &[T]) -> Vec<T> {
    let mut p = x.to_vec();
    for row in p.chunks_mut(shape.keys) {
        let max = row.iter().fold(row[0], |a, &b| if b > a { b } else { a });
        let mut sum = T::zero();
        for x in row.iter_mut() {
            *x = (*x - max).exp();
            sum += *x;
        }
        for x in row {
            *x /= sum;
        }
    }
    p
}

/// `dx_j = p_j (dp_j - sum_j p_j dp_j)` over each row of keys.
fn softmax_backward<T: Real>(shape: Shape, p: &[T], d_p: &[T]) -> Vec<T> {
    let mut d_x = d_p.to_vec();
    for (d_x, p) in d_x.chunks_mut(shape.keys).zip(p.chunks(shape.keys)) {
        let dot = d_x
            .iter()
            .zip(p)
            .fold(T::zero(), |sum, (&d, &p)| sum + d * p);
        for (d, &p) in d_x.iter_mut().zip(p) {
            *d = p * (*d - dot);
        }
    }
    d_x
}

/// Cuts packed rows [q | k | v] of 3C numbers into q, k and v, each [B, N, C].
pub fn split_qkv<T: Real>(channels: usize, qkv: &[T]) -> [Vec<T>; 3] {
    [0, 1, 2].map(|part| {
        let rows = qkv.chunks(3 * channels);
        rows.flat_map(|row| row[part * channels..][..channels].iter().copied())
            .collect()
    })
}

/// The opposite of [`split_qkv`]: packed rows [q | k | v].
pub fn join_qkv<T: Real>(channels: usize, q: &[T], k: &[T], v: &[T]) -> Vec<T> {
    let rows = q
        .chunks(channels)
        .zip(k.chunks(channels))
        .zip(v.chunks(channels));
    rows.flat_map(|((q, k), v)| [q, k, v])
        .flatten()
        .copied()
        .collect()
}
