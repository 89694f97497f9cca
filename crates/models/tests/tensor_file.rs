//! Safetensors files in slices: what is written is read, here and by the format's own reader.

use std::collections::BTreeMap;
use std::fs;

use candle_core::{DType, Device, Tensor};
use spectralkd_models::Error;
use spectralkd_models::tensor_file::{self, Slices, write_slices};
use spectralkd_models::weights::metadata;
use spectralkd_testing::flat;

fn ramp(first: usize, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (first..first + count).map(|i| i as f32 - 7.5).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn shapes(list: &[(&str, &[usize])]) -> BTreeMap<String, Vec<usize>> {
    list.iter()
        .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
        .collect()
}

#[test]
fn slices_come_back_whatever_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.safetensors");
    let shapes = shapes(&[
        ("features.3", &[5, 2, 3]),
        ("logits", &[5, 4]),
        ("empty", &[0, 9]),
    ]);
    let (maps, logits) = (ramp(0, &[5, 2, 3]), ramp(100, &[5, 4]));
    write_slices(&path, &shapes, &serde_json::json!({"model": "x"}), |file| {
        for (first, count) in [(0, 2), (2, 2), (4, 1)] {
            file.push("logits", &logits.narrow(0, first, count)?)?;
            // Strided and of another type, as a model may hand it out.
            let part = maps.narrow(0, first, count)?.to_dtype(DType::F64)?;
            file.push(
                "features.3",
                &part.transpose(1, 2)?.contiguous()?.transpose(1, 2)?,
            )?;
        }
        Ok::<(), Error>(())
    })
    .unwrap();

    // The format's own reader finds the same.
    let bytes = fs::read(&path).unwrap();
    let own = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    assert_eq!(own.len(), 3);
    assert!(own.values().all(|tensor| tensor.dtype() == DType::F32));
    assert_eq!(flat(&own["features.3"]), flat(&maps));
    assert_eq!(flat(&own["logits"]), flat(&logits));
    assert_eq!(metadata(&path).unwrap().unwrap()["model"], "x");
    assert_eq!(tensor_file::shapes(&path).unwrap(), shapes);

    let mut slices = Slices::open(&path, "features.3").unwrap();
    assert_eq!(slices.shape(), [5, 2, 3]);
    for (first, count) in [(3, 2), (0, 5), (4, 1), (2, 0)] {
        let expected = maps.narrow(0, first, count).unwrap();
        let found = slices.read(first, count).unwrap();
        assert_eq!(found.dtype(), DType::F32);
        assert_eq!(flat(&found), flat(&expected));
    }
}

#[test]
fn a_file_that_is_not_filled_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.safetensors");
    let shapes = shapes(&[("logits", &[3, 4])]);
    let write = |rows: &[usize], name: &str| {
        write_slices(&path, &shapes, &serde_json::Value::Null, |file| {
            rows.iter()
                .try_for_each(|&rows| file.push(name, &ramp(0, &[rows, 4])))
        })
        .map_err(|error: Error| error.to_string())
    };
    let text = write(&[2], "logits").unwrap_err();
    assert!(
        text.contains("`logits` was not written to its end"),
        "{text}"
    );
    let text = write(&[2, 2], "logits").unwrap_err();
    assert!(
        text.contains("no room for [2, 4] more of `logits`"),
        "{text}"
    );
    let text = write(&[1], "features.0").unwrap_err();
    assert!(text.contains("`features.0`"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    write(&[2, 1], "logits").unwrap();
    assert!(path.is_file());
}

#[test]
fn files_of_another_kind_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let open = |name: &str| {
        Slices::open(&path, name)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };

    assert!(open("images").contains("cannot read"));
    fs::write(&path, b"\x89PNG\r\n\x1a\n and more").unwrap();
    assert!(open("images").contains("is not a whole safetensors file"));

    let shapes = shapes(&[("pixels", &[2, 3])]);
    write_slices(&path, &shapes, &serde_json::Value::Null, |file| {
        file.push("pixels", &ramp(0, &[2, 3]))
    })
    .map_err(|error: Error| error.to_string())
    .unwrap();
    assert!(open("images").contains("it holds no tensor `images`, but `pixels`"));

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(open("pixels").contains("truncated"));

    let integers = Tensor::zeros((2, 3), DType::U8, &Device::Cpu).unwrap();
    candle_core::safetensors::save(&[("images", integers)].into(), &path).unwrap();
    assert!(open("images").contains("it must be F32"));

    let nan = Tensor::from_vec(vec![0f32, f32::NAN], (2, 1), &Device::Cpu).unwrap();
    candle_core::safetensors::save(&[("images", nan)].into(), &path).unwrap();
    let mut slices = Slices::open(&path, "images").unwrap();
    assert_eq!(flat(&slices.read(0, 1).unwrap()), [0.0]);
    let text = slices.read(0, 2).unwrap_err().to_string();
    assert!(text.contains("`images` holds NaN in entry 1"), "{text}");
}
