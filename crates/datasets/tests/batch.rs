//! Batches as data: mixing and its targets against timm (golden/views.py), and what is refused.

mod common;

use std::fs;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use common::{bytes, floats, golden, inline, many, size, tensors};
use spectralkd_datasets::{
    Batch, BatchRequest, DatasetError, ErasedBox, Fill, Geometry, ImageSet, Mix, Mixing, Normalise,
    Pipeline, Rect, Render,
};

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

/// A batch is plain data: one put together wrongly is an error and no panic.
#[test]
fn batches_that_cannot_be_are_refused() {
    let set = many(4, [1, 3, 2]);
    let plain = Pipeline::new([3, 2], 1, Geometry::AsIs);
    let loader = inline(set, &plain);
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
