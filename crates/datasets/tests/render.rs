//! What a model gets of a batch.

mod common;

use candle_core::Device;
use common::{bytes, encoded, floats, inline, many, one, raw, request, size, tensors};
use spectralkd_datasets::{
    Batch, DatasetError, ErasedBox, Fill, Geometry, Mix, Normalise, Pipeline, Rect, Render, ViewKey,
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

/// The values, which are the same to the bit out of candle's operations.
fn render(render: &Render, batch: &Batch) -> Vec<f32> {
    let values = floats(&render.render(batch, &Device::Cpu).unwrap());
    let composed = floats(&render.render_composed(batch, &Device::Cpu).unwrap());
    let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|x| x.to_bits()).collect() };
    assert_eq!(bits(&values), bits(&composed));
    values
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
    let first = batch.erased[0][0];
    batch.erased[0].push(first);
    assert_ne!(render(&as_is, &batch)[3], inside[0]);
    batch.erased[0].pop();
    batch.keys = vec![ViewKey { repeat: 0, ..key }];
    assert_ne!(render(&as_is, &batch)[3], inside[0]);
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
