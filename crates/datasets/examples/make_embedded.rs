//! Makes the files under `data/` out of the full Fashion-MNIST: a class-balanced 10,000 of
//! the training images (the first 1,000 of each class, in the order of the original file),
//! all 10,000 test images, and the list of their checksums.
//!
//! ```text
//! cargo run -p spectralkd-datasets --no-default-features --example make_embedded -- \
//!     /usr/share/datasets/fashion-mnist crates/datasets/data
//! ```
//!
//! The outcome depends on the four input files and on the version of the compressor in
//! Cargo.lock, and on nothing else. The result is checked by the tests of this crate.

use std::env;
use std::error::Error;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use spectralkd_base::files::write_atomic;
use spectralkd_datasets::{Dataset, ImageSet, fashion_mnist, idx};

const PER_CLASS: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        return Err("usage: make_embedded FOLDER-OF-THE-FULL-SET OUTPUT-FOLDER".into());
    };
    let to = Path::new(to);

    let full = fashion_mnist::from_dir(Path::new(from))?;
    let train = full.train.subset(&full.train.class_balanced(PER_CLASS)?)?;

    let mut sums = String::new();
    for (set, names) in [
        (&train, fashion_mnist::TRAIN_FILES),
        (&full.test, fashion_mnist::TEST_FILES),
    ] {
        for (name, content) in names.into_iter().zip(idx_files(set)?) {
            let name = format!("{name}.gz");
            let bytes = gzip(&content)?;
            write_atomic(&to.join(&name), &bytes)?;
            sums += &format!("{}  {name}\n", hex(&bytes));
        }
    }
    write_atomic(&to.join("SHA256SUMS"), sums.as_bytes())?;
    Ok(())
}

/// The IDX files of a set: its images and its labels.
fn idx_files(set: &ImageSet) -> Result<[Vec<u8>; 2], Box<dyn Error>> {
    let pixels: Vec<u8> = (0..set.len()).flat_map(|i| set.image(i)).copied().collect();
    let labels = set.labels().iter().map(|&label| u8::try_from(label));
    let labels = labels.collect::<Result<Vec<u8>, _>>()?;
    let [_, height, width] = set.shape();
    Ok([
        idx::encode_images(&pixels, height.try_into()?, width.try_into()?)?,
        idx::encode_labels(&labels)?,
    ])
}

/// Compresses at the highest level, with neither a name nor a time in the header.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
