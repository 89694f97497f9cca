//! Two models compared layer by layer: every layer of one with every layer of
//! the other, on the same images.
//!
//! A stands on the student's side and B on the teacher's. Of every pair there
//! are, with N images and features `[N, C, H, W]`:
//!
//! | measure | formula | what it cannot tell |
//! |---|---|---|
//! | spectral loss | ortho `rfft2` over H and W of both, mean squared error over real and imaginary parts; that is (E + E_dc + E_nyquist) / (4 N C H (⌊W/2⌋ + 1)) | order and sign of channels count: it is large for the same features in another order |
//! | MSE | E / (N C H W) | the same |
//! | linear CKA | ⟨K, L⟩ / (‖K‖ ‖L‖), K and L the centred Gram matrices `[N, N]` of the flattened features | biased: near 1 for anything where N is much smaller than C H W |
//! | spectrum distance | [`log_spectral_distance`] of the mean channel spectra, dB | two layers can agree in it and differ on every image; it depends on the order of channels |
//!
//! E is the sum of squared differences d, and E_dc and E_nyquist are its parts
//! at the two frequencies along W that have no partner (Parseval):
//! E_dc = 1/W Σ_rows (Σ_w d)², E_nyquist = 1/W Σ_rows (Σ_w (−1)ʷ d)² for even
//! W, else 0. The first formula is the definition of the paper's released code
//! (SpectralKD, arXiv 2412.19055), the second is how it is computed.
//!
//! **Shapes.** For the two errors and the spectrum distance the wider layer is
//! averaged over channels to the other's width, with PyTorch's bins
//! ([`adaptive_avg_pool_channels`](spectralkd_spectral::adaptive_avg_pool_channels));
//! where that is A, which the paper has no case of, the row says so. For the
//! two errors the larger map is resized to the smaller one in the spectral
//! domain ([`resize`](spectralkd_spectral::resize)), and the row says so.
//! The spectrum distance needs no alignment, since a spectrum is a mean over
//! positions, and CKA neither: it sees features as they are.
//!
//! **CKA** is the estimator of Kornblith et al. (2019), which is biased towards
//! 1 when there are few images: two unrelated layers of D white features each
//! have about D / (D + N). Beside it stands the debiased one, of Song et al.'s
//! (2012) unbiased HSIC, which is about 0 for them at any N and may be below. Both ignore rotation and scale of the features.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use spectralkd_base::progress::Silent;
//! use spectralkd_evaluation::compare::{FeatureTensors, Options, compare};
//!
//! // Four images, a student's layer of 1 channel and a teacher's of 2.
//! let wave = |n: u32| Tensor::arange(0f32, n as f32, &Device::Cpu)?.sin();
//! let student = wave(4 * 16)?.reshape((4, 1, 4, 4))?;
//! let teacher = Tensor::cat(&[&student, &student], 1)?;
//! let mut a = FeatureTensors::new("student", vec![(0, student)])?;
//! let mut b = FeatureTensors::new("teacher", vec![(0, teacher)])?;
//!
//! let comparison = compare(&mut a, &mut b, &Options::default(), &Silent)?;
//! let row = &comparison.rows[0];
//! assert_eq!((row.mse, row.pooled.name()), (0.0, "b"));
//! assert!(row.cka.is_some_and(|cka| (cka - 1.0).abs() < 1e-9));
//! assert!(comparison.csv().starts_with("a_layer,b_layer,spectral_loss,mse,cka,spectrum_distance\n0,0,0,0,"));
//! # Ok::<(), spectralkd_evaluation::Error>(())
//! ```

mod cka;
mod comparison;
mod energy;
mod features;
mod figures;
mod measure;
mod meeting;
mod pass;

pub use comparison::{Comparison, Layer, PairRow, Side};
pub use features::{FeatureTensors, Features};
pub use measure::Measure;
pub use meeting::Pooled;

use spectralkd_base::progress::Progress;

use crate::error::{Error, Result};
use crate::spectra::log_spectral_distance;
use features::Source;
use meeting::Meeting;
use pass::LayerSums;

/// How a comparison is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// About how many bytes may be held at a time; 1 GiB by default. At least
    /// one image of every layer is, and one mean per layer. It decides how many
    /// images are read at once, and changes CKA and the spectrum distance by
    /// rounding, the errors not at all.
    pub memory: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 1 << 30 }
    }
}

/// Compares every layer of `a` (the student's side) with every layer of `b`
/// (the teacher's side); see [the module](self) for the measures.
///
/// Features are read in blocks of images, every layer at least twice; what is
/// held does not grow with their number. All arithmetic is f64. The results are
/// the same to the bit for any number of threads.
///
/// # Errors
/// [`Error::TooFew`] without images or layers, [`Error::Lengths`] when the two
/// have different numbers of images, [`Error::Features`] when a layer cannot be
/// read or is not what was announced, [`Error::NotFinite`] with layer and image
/// for a feature that is not finite.
pub fn compare(
    a: &mut dyn Features,
    b: &mut dyn Features,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Comparison> {
    let (mut a, mut b) = (Source::open(a)?, Source::open(b)?);
    let images = a.images();
    if images != b.images() {
        return Err(Error::Lengths {
            left: format!("the images of {}", a.name()),
            left_len: images,
            right: format!("the images of {}", b.name()),
            right_len: b.images(),
        });
    }
    let pass = pass::run(&mut a, &mut b, options.memory, progress)?;
    let sums = pass.a.iter().chain(&pass.b);
    let means: Vec<&[f64]> = sums.map(|sums| &sums.mean[..]).collect();
    let similar = cka::similarity(&mut a, &mut b, &means, options.memory, progress)?;

    let mut rows = Vec::with_capacity(pass.energies.len());
    for (i, &(a_layer, a_shape)) in a.layers.iter().enumerate() {
        for (j, &(b_layer, b_shape)) in b.layers.iter().enumerate() {
            let at = rows.len();
            let Meeting {
                shape,
                pooled,
                aligned,
            } = Meeting::of(a_shape, b_shape);
            let energy = pass.energies[at];
            let amplitude = |sums: &LayerSums| sums.spectra[&shape[0]].amplitude();
            rows.push(PairRow {
                a_layer,
                b_layer,
                spectral_loss: energy.spectral_loss(images, shape),
                mse: energy.mse(images, shape),
                cka: similar.biased[at],
                spectrum_distance: log_spectral_distance(
                    &amplitude(&pass.a[i]),
                    &amplitude(&pass.b[j]),
                )?,
                cka_debiased: similar.debiased[at],
                energy: energy.total,
                energy_dc: energy.dc,
                energy_nyquist: energy.nyquist,
                shape,
                pooled,
                aligned,
            });
        }
    }
    Ok(Comparison {
        a: side(&a, &pass.a),
        b: side(&b, &pass.b),
        images,
        rows,
    })
}

fn side(source: &Source, sums: &[LayerSums]) -> Side {
    let layers = source.layers.iter().zip(sums);
    Side {
        name: source.name().to_owned(),
        layers: layers
            .map(|(&(index, shape), sums)| Layer {
                index,
                shape,
                intensity: sums.spectra[&shape[0]].intensity(),
            })
            .collect(),
    }
}
