//! An image's outputs are the same bits alone, among others, with weights that train and with frozen ones, whatever
//! else is asked for, and on any number of threads: a teacher that was asked for a cache, in large batches, gives what
//! it gives beside the student.

mod common;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use common::{all_golden_files, trainable};
use spectralkd_base::random::Stream;
use spectralkd_models::{
    CaitConfig, ModelConfig, Output, SwinConfig, Taps, VisionModel, Wanted, frozen, registry,
};
use spectralkd_nn::{Params, Pass};
use spectralkd_testing::bits;

const CPU: Device = Device::Cpu;

/// All outputs of each image, by what they are, as bits.
type Bits = BTreeMap<String, Vec<Vec<u64>>>;

fn by_image(output: &Output) -> Bits {
    let mut all = vec![
        ("logits".to_string(), output.logits.clone()),
        ("class".to_string(), output.heads.class.clone()),
    ];
    let distillation = output.heads.distillation.iter();
    all.extend(distillation.map(|logits| ("distillation".to_string(), logits.clone())));
    for (what, taps) in [("map", &output.features), ("prefix", &output.prefix)] {
        all.extend(
            taps.iter()
                .map(|(i, tap)| (format!("{what} {i}"), tap.clone())),
        );
    }
    let rows = |tensor: Tensor| {
        let images = 0..tensor.dim(0).unwrap();
        images
            .map(|image| bits(&tensor.get(image).unwrap()))
            .collect()
    };
    all.into_iter()
        .map(|(name, tensor)| (name, rows(tensor)))
        .collect()
}

/// The outputs of `count` images from `first` on.
fn run(model: &dyn VisionModel, images: &Tensor, first: usize, count: usize, every: bool) -> Bits {
    let prefix = if every && model.info().prefix > 0 {
        Taps::All
    } else {
        Taps::None
    };
    let maps = if every { Taps::All } else { Taps::None };
    let images = images.narrow(0, first, count).unwrap();
    let output = model.outputs(&images, &Wanted { maps, prefix }, &Pass::eval());
    by_image(&output.unwrap())
}

fn normal(config: &ModelConfig, count: usize) -> Tensor {
    let [height, width] = config.img_size();
    let shape = (count, config.in_chans(), height, width);
    let mut stream = Stream::new(9, "images");
    let values = (0..count * shape.1 * height * width).map(|_| stream.normal() as f32);
    Tensor::from_iter(values, &CPU)
        .unwrap()
        .reshape(shape)
        .unwrap()
}

/// Compares outputs in batches of these sizes with those in one of all images; `threads` for the latter.
fn check(
    config: &ModelConfig,
    weights: &BTreeMap<String, Tensor>,
    count: usize,
    threads: &[usize],
) {
    let name = config.family();
    let images = normal(config, count);
    let (_, trained) = trainable(config, weights, DType::F32);
    let frozen = frozen(config, weights, &CPU).unwrap();
    let all = run(&*frozen, &images, 0, count, true);
    for &threads in threads {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let again = pool.install(|| run(&*frozen, &images, 0, count, true));
        assert!(again == all, "{name}: other bits on {threads} threads");
    }
    for (model, kind) in [(&frozen, "frozen"), (&trained, "trained")] {
        let starts = [
            (0, 1),
            (count - 1, 1),
            (3, 7),
            (count - 7, 7),
            (count - 32, 32),
            (0, count),
        ];
        for (first, size) in starts {
            let choices = if kind == "frozen" {
                &[true, false][..]
            } else {
                &[true]
            };
            for &every in choices {
                for (what, some) in run(&**model, &images, first, size, every) {
                    let place = some
                        .iter()
                        .zip(&all[&what][first..])
                        .position(|(a, b)| a != b);
                    assert_eq!(some.len(), size);
                    assert!(
                        place.is_none(),
                        "{name}, {kind}: {what} of image {place:?} of {size} from {first}, with{} taps",
                        if every { "" } else { "out" }
                    );
                }
            }
        }
    }
}

#[test]
fn tiny_models() {
    for golden in all_golden_files() {
        check(&golden.config, &golden.weights, 256, &[1, 2, 3, 7]);
    }
}

/// First weights, whose bits are as good as any for this.
fn drawn(config: &ModelConfig) -> BTreeMap<String, Tensor> {
    let params = Params::new();
    let vb = params.builder(&Stream::new(7, "init"), DType::F32, &CPU);
    config.build(vb).unwrap();
    params.tensors()
}

/// The registry's sizes but for depth, and for the images of Swin, which need less memory so.
#[test]
fn models_of_full_width() {
    let [deit, distilled, cait, swin] = [
        "deit_tiny_patch16_224",
        "deit_small_distilled_patch16_224",
        "cait_s24_224",
        "swin_tiny_patch4_window7_224",
    ]
    .map(|name| registry::find(name).unwrap().config);
    let shallow = |config: ModelConfig| match config {
        ModelConfig::Deit(mut deit) => {
            deit.depth = 2;
            ModelConfig::Deit(deit)
        }
        ModelConfig::Cait(cait) => ModelConfig::Cait(CaitConfig {
            depth: 1,
            init_values: 0.5,
            ..cait
        }),
        ModelConfig::Swin(swin) => ModelConfig::Swin(SwinConfig {
            img_size: [112, 112],
            depths: vec![1, 1, 2, 1],
            ..swin
        }),
    };
    for config in [deit, distilled, cait, swin].map(shallow) {
        check(&config, &drawn(&config), 33, &[1]);
    }
    // Few classes take other ways through a product: as many as Fashion-MNIST's, and two.
    let base = registry::find("deit_base_patch16_224").unwrap().config;
    let swin = registry::find("swin_tiny_patch4_window7_224")
        .unwrap()
        .config;
    for config in [base, swin].map(|config| shallow(config).with_img_size([32, 32])) {
        for classes in [10, 2] {
            let config = config.clone().with_num_classes(classes);
            check(&config, &drawn(&config), 130, &[1]);
        }
    }
}
