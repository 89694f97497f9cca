//! What a model gets of a batch.

mod common;

use std::fs;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use common::{bytes, encoded, floats, golden, inline, many, one, raw, request, size, tensors};
use spectralkd_datasets::{
    Batch, BatchRequest, DatasetError, ErasedBox, Fill, Geometry, ImageSet, Loader, Mix, Mixing,
    Normalise, Pipeline, Rect, Render, ViewKey,
};

/// One image of 3 channels, 2x3 pixels.
const PIXELS: [u8; 18] = [
    0, 1, 127, 128, 254, 255, 10, 20, 30, 40, 50, 60, 255, 0, 254, 1, 253, 2,
];

/// numpy 2.4.6, float32: `(x / 255 - mean) / std` with mean (0.2860, 0.4, 0.5) and std
/// (0.3530, 0.25, 0.125) per channel.
const NORMALISED: [f32; 18] = [
    -0.810_198_37,
    -0.799_089_13,
    0.600_677_67,
    0.611_787,
    2.011_553_8,
    2.022_662_9,
    -1.443_137_3,
    -1.286_274_6,
    -1.129_411_8,
    -0.972_549,
    -0.815_686_3,
    -0.658_823_55,
    4.0,
    -4.0,
    3.968_627_5,
    -3.968_627_5,
    3.937_255,
    -3.937_255,
];

fn normalise() -> Normalise {
    Normalise {
        mean: vec![0.2860, 0.4, 0.5],
        std: vec![0.3530, 0.25, 0.125],
    }
}

fn grey() -> Normalise {
    Normalise {
        mean: vec![0.4],
        std: vec![0.3],
    }
}

fn render(render: &Render, batch: &Batch) -> Vec<f32> {
    floats(&render.render(batch, &Device::Cpu).unwrap())
}

fn golden_batch() -> Batch {
    let sample = raw([3, 2, 3], PIXELS.to_vec());
    one(&sample, &Pipeline::new([2, 3], 3, Geometry::AsIs))
}

#[test]
fn values_are_those_of_numpy_to_the_bit_and_mirrored() {
    let as_is = Render::new([2, 3], 3, normalise()).unwrap();
    let mut batch = golden_batch();
    assert_eq!(render(&as_is, &batch), NORMALISED);
    batch.flipped = vec![true];
    let mirrored: Vec<f32> = NORMALISED
        .chunks(3)
        .flat_map(|row| row.iter().rev())
        .copied()
        .collect();
    assert_eq!(render(&as_is, &batch), mirrored);
    let tensor = as_is.render(&batch, &Device::Cpu).unwrap();
    assert_eq!(tensor.dims(), [1, 3, 2, 3]);
}

#[test]
fn another_size_is_pillows() {
    let mut seen = 0;
    for (name, expected) in tensors("views.safetensors") {
        let Some(case) = name.strip_prefix("resize ") else {
            continue;
        };
        let (file, sides) = case.split_once(' ').unwrap();
        let sizes = if file == "landscape" {
            [45, 67]
        } else {
            [17, 20]
        };
        let sample = encoded(&format!("{file}.png"));
        let batch = one(&sample, &Pipeline::new(sizes, 3, Geometry::AsIs));
        let size = size(sides);
        // The levels themselves, as f32.
        let levels = Normalise {
            mean: vec![0.0; 3],
            std: vec![1.0 / 255.0; 3],
        };
        let values = render(&Render::new(size, 3, levels).unwrap(), &batch);
        let expected = bytes(&expected);
        let differ = |(value, level): (&f32, &u8)| (value - f32::from(*level)).abs() > 1e-3;
        assert!(!values.iter().zip(&expected).any(differ), "{case}");

        // Mirrored after it.
        let mut flipped = batch.clone();
        flipped.flipped = vec![true];
        let wide = Render::new(size, 3, normalise()).unwrap();
        let mut rows = render(&wide, &batch);
        rows.chunks_mut(size[1]).for_each(<[f32]>::reverse);
        assert_eq!(render(&wide, &flipped), rows);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn channels_are_brought_to_the_consumers() {
    let colours = golden_batch();
    let as_grey = one(
        &raw([3, 2, 3], PIXELS.to_vec()),
        &Pipeline::new([2, 3], 1, Geometry::AsIs),
    );
    for size in [[2, 3], [5, 4]] {
        let one_channel = Render::new(size, 1, grey()).unwrap();
        assert_eq!(
            render(&one_channel, &colours),
            render(&one_channel, &as_grey)
        );

        let three = Normalise {
            mean: vec![0.4; 3],
            std: vec![0.3; 3],
        };
        let three = Render::new(size, 3, three).unwrap();
        let grey = render(&one_channel, &as_grey);
        assert_eq!(render(&three, &as_grey), grey.repeat(3));
    }
}

/// The order is timm's: mirrored, normalised, erased (in the mirrored view), mixed.
#[test]
fn boxes_are_erased_after_mirroring_and_normalising() {
    let area = Rect {
        top: 0,
        left: 1,
        height: 1,
        width: 2,
    };
    let as_is = Render::new([2, 3], 3, normalise()).unwrap();
    let mut batch = golden_batch();
    batch.flipped = vec![true];
    let mirrored = render(&as_is, &batch);
    let erased = |fill| {
        let mut batch = batch.clone();
        batch.erased = vec![vec![ErasedBox { area, fill }]];
        render(&as_is, &batch)
    };
    let zeros = erased(Fill::Zero);
    let noise = erased(Fill::Noise);
    for i in 0..18 {
        let inside = i / 3 % 2 == 0 && i % 3 > 0;
        assert_eq!(zeros[i], if inside { 0.0 } else { mirrored[i] });
        assert_eq!(noise[i] == mirrored[i], !inside);
    }
}

/// The box's own draws, by channel, row and column (golden/views.py).
#[test]
fn noise_is_drawn_by_the_views_key() {
    let key = common::key("3.1.2.1");
    let area = Rect {
        top: 1,
        left: 0,
        height: 1,
        width: 2,
    };
    let mut batch = golden_batch();
    batch.keys = vec![key];
    batch.erased = vec![vec![ErasedBox {
        area,
        fill: Fill::Noise,
    }]];
    let as_is = Render::new([2, 3], 3, normalise()).unwrap();
    let values = render(&as_is, &batch);
    let inside = [3, 4, 9, 10, 15, 16].map(|i| values[i]);
    let expected = floats(&tensors("views.safetensors")["noise"]);
    for (value, expected) in inside.iter().zip(&expected) {
        assert!((value - expected).abs() < 1e-6, "{inside:?} {expected:?}");
    }

    // Another consumer sees the same noise: twice as large, every pixel is seen four times.
    let double = render(&Render::new([4, 6], 3, normalise()).unwrap(), &batch);
    for (channel, plane) in double.chunks(24).enumerate() {
        for (y, x) in [(2, 0), (2, 1), (3, 3)] {
            assert_eq!(plane[y * 6 + x], inside[2 * channel + x / 2]);
        }
    }
    // A second box of the view, and another view, have noise of their own.
    batch.keys = vec![ViewKey { repeat: 0, ..key }];
    assert_ne!(render(&as_is, &batch)[3], inside[0]);
}

fn draws() -> impl Iterator<Item = (String, String)> {
    let draws = fs::read_to_string(golden("draws.txt")).unwrap();
    let lines: Vec<(String, String)> = draws
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(start, end)| (start.to_owned(), end.to_owned()))
        .collect();
    lines.into_iter()
}

fn mixed_batch(levels: &Tensor, mixing: Option<Vec<Mixing>>) -> Batch {
    let set = ImageSet::new(
        [3, 8, 6],
        bytes(levels),
        vec![4, 0, 2, 4],
        ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
    );
    let pipeline = Pipeline::new([8, 6], 3, Geometry::AsIs);
    let loader = inline(Arc::new(set.unwrap()), &pipeline);
    let batch = loader.batch(&BatchRequest::plain(&[0, 1, 2, 3])).unwrap();
    assert!(batch.targets(&Device::Cpu).unwrap().is_none());
    Batch { mixing, ..batch }
}

/// Draws, values and targets are timm's, given the same random numbers.
#[test]
fn mixing_is_timms() {
    let tensors = tensors("views.safetensors");
    let colours = Render::new([8, 6], 3, Normalise::imagenet()).unwrap();
    let mut seen = [0; 3];
    for (number, (start, end)) in draws().enumerate() {
        let Some(case) = start.strip_prefix("mix ") else {
            continue;
        };
        let words: Vec<&str> = case.split(' ').collect();
        let key: Vec<u64> = words[0].split('.').map(|n| n.parse().unwrap()).collect();
        let chance = |i: usize| words[i].parse().unwrap();
        let pipeline = Pipeline {
            mix: Some(Mix {
                mixup: chance(2),
                cutmix: chance(3),
                probability: chance(4),
                switch: chance(5),
            }),
            ..Pipeline::new(size(words[1]), 3, Geometry::AsIs)
        };
        let mixing = pipeline.mixing(key[0], key[1], key[2], 4);
        let Some(mut mixing) = mixing else {
            assert_eq!(end, "none", "{case}");
            seen[0] += 1;
            continue;
        };
        let numbers: Vec<&str> = end.split(' ').collect();
        let cut: Vec<usize> = numbers[1..].iter().map(|n| n.parse().unwrap()).collect();
        let share: f64 = numbers[0].parse().unwrap();
        for (i, mixing) in mixing.iter_mut().enumerate() {
            assert_eq!(mixing.partner as usize, 3 - i);
            let found: Vec<usize> = mixing
                .cut
                .iter()
                .flat_map(|cut| [cut.top, cut.left, cut.height, cut.width])
                .collect();
            assert_eq!(found, cut, "{case}");
            // Logarithms differ in their last bit from one C library to another.
            assert!((mixing.share - share).abs() < 1e-12, "{case}");
            mixing.share = share;
        }
        let batch = mixed_batch(&tensors["mix.levels"], Some(mixing));
        let expected = floats(&tensors[&format!("mix.{number}.values")]);
        assert!(render(&colours, &batch) == expected, "{case}");
        let targets = batch.targets(&Device::Cpu).unwrap().unwrap();
        assert_eq!(targets.dims(), [4, 5]);
        let expected = floats(&tensors[&format!("mix.{number}.targets")]);
        assert_eq!(floats(&targets), expected, "{case}");
        seen[if cut.is_empty() { 1 } else { 2 }] += 1;
    }
    assert!(seen.iter().all(|&n| n > 2), "{seen:?}");
}

#[test]
fn a_cut_follows_the_size_of_the_consumer() {
    let cut = Rect {
        top: 2,
        left: 0,
        height: 4,
        width: 3,
    };
    let mixing = |partner| Mixing {
        partner,
        share: 0.75,
        cut: Some(cut),
    };
    let levels = &tensors("views.safetensors")["mix.levels"];
    let mixed = mixed_batch(levels, Some([3, 2, 1, 0].map(mixing).to_vec()));
    let plain = mixed_batch(levels, None);
    let half = Render::new([4, 2], 1, grey()).unwrap();
    let (mixed, plain) = (render(&half, &mixed), render(&half, &plain));
    for i in 0..32 {
        let (image, y, x) = (i / 8, i / 2 % 4, i % 2);
        let source = if (1..3).contains(&y) && x == 0 {
            3 - image
        } else {
            image
        };
        assert_eq!(mixed[i], plain[source * 8 + i % 8]);
    }
}

#[test]
fn batches_are_the_same_on_any_number_of_threads() {
    let pipeline = Pipeline {
        flip: 0.5,
        mix: Some(Mix {
            mixup: 0.8,
            cutmix: 0.0,
            probability: 1.0,
            switch: 0.5,
        }),
        ..Pipeline::new([30, 31], 1, Geometry::AsIs)
    };
    let items: Vec<(u32, u32)> = (0..64).map(|i| (i, 0)).collect();
    let loader = inline(many(64, [1, 30, 31]), &pipeline);
    let batch = loader.batch(&request(9, 1, &items)).unwrap();
    assert!(batch.mixing.is_some());
    let three = Render::new([40, 35], 3, Normalise::imagenet()).unwrap();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| render(&three, &batch))
    };
    assert!(on(1) == on(5));
}

#[test]
fn consumers_that_cannot_be_are_refused() {
    let new = |size, channels, normalise| Render::new(size, channels, normalise).unwrap_err();
    let error = new([0, 4], 3, normalise());
    assert!(matches!(error, DatasetError::Pipeline { .. }), "{error}");
    let error = new([4, 4], 2, normalise());
    assert!(matches!(error, DatasetError::Channels { channels: 2 }));
    let error = new([4, 4], 1, normalise());
    assert!(
        matches!(error, DatasetError::NormaliseChannels { .. }),
        "{error}"
    );
    let flat = Normalise {
        mean: vec![0.5],
        std: vec![0.0],
    };
    let error = new([4, 4], 1, flat);
    assert!(
        matches!(error, DatasetError::NormaliseValue { .. }),
        "{error}"
    );
}

/// A batch is plain data: one put together wrongly is an error and no panic.
#[test]
fn batches_that_cannot_be_are_refused() {
    let set = many(4, [1, 3, 2]);
    let plain = Pipeline::new([3, 2], 1, Geometry::AsIs);
    let loader = Loader::new(set, Arc::new(plain), 0, 0).unwrap();
    let good = loader.batch(&BatchRequest::plain(&[0, 1])).unwrap();
    good.check().unwrap();
    let area = Rect {
        top: 2,
        left: 0,
        height: 2,
        width: 1,
    };
    let mixing = |partner, cut| {
        Some(vec![
            Mixing {
                partner,
                share: 0.5,
                cut,
            };
            2
        ])
    };
    type Change = fn(&mut Batch);
    let changes: [(&str, Change); 6] = [
        ("bytes", |batch| {
            batch.views.pop();
        }),
        ("[2, 1, 3, 9223372036854775807]", |batch| {
            batch.shape[3] = usize::MAX / 2;
        }),
        ("1 flips", |batch| {
            batch.flipped.pop();
        }),
        ("3 lists", |batch| batch.erased.push(Vec::new())),
        ("0 labels", |batch| batch.labels = Some(Vec::new())),
        ("label 1 of 1", |batch| batch.classes = 1),
    ];
    let mut bad: Vec<(&str, Batch)> = changes
        .into_iter()
        .map(|(words, change)| {
            let mut batch = good.clone();
            change(&mut batch);
            (words, batch)
        })
        .collect();
    let fill = Fill::Zero;
    let erased = vec![Vec::new(), vec![ErasedBox { area, fill }]];
    let with_mixing = |mixing| Batch {
        mixing,
        ..good.clone()
    };
    bad.extend([
        (
            "Rect",
            Batch {
                erased,
                ..good.clone()
            },
        ),
        ("Rect", with_mixing(mixing(0, Some(area)))),
        ("partner: 2", with_mixing(mixing(2, None))),
    ]);
    let as_is = Render::new([3, 2], 1, grey()).unwrap();
    for (words, batch) in bad {
        let error = as_is.render(&batch, &Device::Cpu).unwrap_err();
        assert!(matches!(error, DatasetError::Batch { .. }), "{error}");
        assert!(error.to_string().contains(words), "no {words:?}: {error}");
    }
    let mut none = good;
    none.keys.clear();
    let error = as_is.render(&none, &Device::Cpu).unwrap_err();
    assert!(matches!(error, DatasetError::EmptyBatch), "{error}");
}
