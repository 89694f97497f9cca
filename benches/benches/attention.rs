//! The attention operations at the models' shapes, fused beside composed of candle's own,
//! forward ("fwd") and forward with backward ("both").
//!
//! `cargo bench -p spectralkd-benches --bench attention -- 'deit_tiny/fwd'`
//!
//! For one core: `RAYON_NUM_THREADS=1 taskset -c 0 cargo bench ...`. "both" carries what
//! candle's backward adds to any operation: a product, a sum, and zeros to add gradients to.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use spectralkd_base::random::Stream;
use spectralkd_nn::attention::composed::WindowTables;
use spectralkd_nn::attention::{
    class_attention, composed, softmax_attention, talking_attention, window_attention,
};
use spectralkd_nn::kernels::attention::Mixing;
use spectralkd_nn::{Result, Windows};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Copy)]
enum Kind {
    Softmax,
    Talking,
    Class,
    /// Of 7 x 7 tokens on a square map of this side, shifted by as much.
    Windows(usize, usize),
}

struct Case {
    name: &'static str,
    kind: Kind,
    batch: usize,
    tokens: usize,
    heads: usize,
    head_dim: usize,
}

const fn case(
    name: &'static str,
    kind: Kind,
    [batch, tokens, heads, head_dim]: [usize; 4],
) -> Case {
    Case {
        name,
        kind,
        batch,
        tokens,
        heads,
        head_dim,
    }
}

/// deit_tiny, cait_s24 and the stages of swin_tiny at 224 px; the student and the teacher of the headline experiment.
const CASES: [Case; 12] = [
    case("deit_tiny", Kind::Softmax, [16, 197, 3, 64]),
    case("cait_s24", Kind::Talking, [8, 196, 8, 48]),
    case("cait_s24_class", Kind::Class, [8, 197, 8, 48]),
    case("student", Kind::Softmax, [64, 50, 3, 16]),
    case("teacher", Kind::Talking, [64, 49, 4, 24]),
    case("teacher_class", Kind::Class, [64, 50, 4, 24]),
    case("swin_tiny_1", Kind::Windows(56, 0), [8, 3136, 3, 32]),
    case(
        "swin_tiny_1_shifted",
        Kind::Windows(56, 3),
        [8, 3136, 3, 32],
    ),
    case("swin_tiny_2", Kind::Windows(28, 0), [8, 784, 6, 32]),
    case("swin_tiny_2_shifted", Kind::Windows(28, 3), [8, 784, 6, 32]),
    case("swin_tiny_3", Kind::Windows(14, 0), [8, 196, 12, 32]),
    case(
        "swin_tiny_3_shifted",
        Kind::Windows(14, 3),
        [8, 196, 12, 32],
    ),
];

/// A variable of standard normal numbers.
fn var(name: &str, shape: &[usize]) -> Var {
    let mut stream = Stream::new(1, name);
    let count = shape.iter().product();
    let data: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    let tensor = Tensor::from_vec(data, shape, &Device::Cpu).expect("a CPU tensor");
    Var::from_tensor(&tensor).expect("a variable")
}

impl Case {
    /// What the operation is applied to.
    fn inputs(&self) -> Vec<Var> {
        let (batch, tokens) = (self.batch, self.tokens);
        let channels = self.heads * self.head_dim;
        match self.kind {
            Kind::Softmax => vec![var("qkv", &[batch, tokens, 3 * channels])],
            Kind::Talking => vec![
                var("qkv", &[batch, tokens, 3 * channels]),
                var("mixing", &[Mixing::len(self.heads)]),
            ],
            Kind::Class => vec![
                var("q", &[batch, 1, channels]),
                var("k", &[batch, tokens, channels]),
                var("v", &[batch, tokens, channels]),
            ],
            Kind::Windows(..) => vec![
                var("qkv", &[batch, tokens, 3 * channels]),
                var("table", &[13 * 13, self.heads]),
            ],
        }
    }

    /// The windows, or any where there are none.
    fn windows(&self) -> Windows {
        let (side, shift) = match self.kind {
            Kind::Windows(side, shift) => (side, shift),
            _ => (7, 0),
        };
        Windows::new([side; 2], [7; 2], [shift; 2]).expect("windows that can be made")
    }

    /// The fused operation.
    fn fused(&self) -> impl Fn(&[Tensor]) -> Result<Tensor> {
        let (kind, heads) = (self.kind, self.heads);
        let partition = Arc::new(self.windows().partition().expect("checked windows"));
        move |x| match kind {
            Kind::Softmax => softmax_attention(&x[0], heads),
            Kind::Talking => talking_attention(&x[0], &x[1], heads),
            Kind::Class => class_attention(&x[0], &x[1], &x[2], heads),
            Kind::Windows(..) => window_attention(&x[0], &x[1], &partition, heads),
        }
    }

    /// The same, composed of candle's operations.
    fn composed(&self) -> impl Fn(&[Tensor]) -> Result<Tensor> {
        let (kind, heads, windows) = (self.kind, self.heads, self.windows());
        let tables = WindowTables::new(&windows, DType::F32, &Device::Cpu);
        let tables = tables.expect("tables on a CPU");
        move |x| match kind {
            Kind::Softmax => composed::softmax_attention(&x[0], heads),
            Kind::Talking => composed::talking_attention(&x[0], &x[1], heads),
            Kind::Class => composed::class_attention(&x[0], &x[1], &x[2], heads),
            Kind::Windows(..) => {
                let qkv = composed::window_partition(&x[0], &windows)?;
                let y = composed::biased_attention(&qkv, &x[1], &windows, &tables, heads)?;
                composed::window_reverse(&y, &windows)
            }
        }
    }
}

fn attention(criterion: &mut Criterion) {
    for case in CASES {
        let inputs = case.inputs();
        let constants: Vec<Tensor> = inputs.iter().map(Var::as_detached_tensor).collect();
        let tracked: Vec<Tensor> = inputs.iter().map(|x| x.as_tensor().clone()).collect();
        let (fused, composed) = (case.fused(), case.composed());
        let result = fused(&constants).expect("shapes that fit");
        let weights = var("weights", result.dims()).as_detached_tensor();
        let both = |y: Result<Tensor>| y.and_then(|y| Ok((y * &weights)?.sum_all()?.backward()?));

        let mut group = criterion.benchmark_group(case.name);
        group.sample_size(20);
        group.bench_function("fwd/fused", |b| b.iter(|| fused(&constants)));
        group.bench_function("fwd/composed", |b| b.iter(|| composed(&constants)));
        group.bench_function("both/fused", |b| b.iter(|| both(fused(&tracked))));
        group.bench_function("both/composed", |b| b.iter(|| both(composed(&tracked))));
        group.finish();
    }
}

criterion_group!(benches, attention);
criterion_main!(benches);
