//! Spectra of models: how strong each layer's features are along the channel
//! axis, and how far a student's layer is from its teacher's.
//!
//! Features come as pairs (layer, tensor of shape `[B, C, H, W]`) from any model,
//! batch by batch; memory does not grow with the number of images. [`ModelSpectra`] holds the
//! spectra alone, [`ModelAnalysis`] all that a layer's features tell, with the control of random
//! channel orders, tables and figures.
//!
//! The order of channels in a network is arbitrary: of a spectrum along
//! channels only the zero frequency and the total energy survive a permutation.
//! A figure of these quantities says so in its caption.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use spectralkd_evaluation::spectra::ModelSpectra;
//!
//! // Two images, four channels, constant along the channels: all at bin 0.
//! let features = Tensor::new(3f32, &Device::Cpu)?.broadcast_as((2, 4, 5, 5))?;
//! let mut spectra = ModelSpectra::new();
//! spectra.push(&[(0, features)])?;
//! assert_eq!(
//!     spectra.spectra_csv(),
//!     "layer,bin,frequency,amplitude\n0,0,0,3\n0,1,0.25,0\n0,2,0.5,0\n0,3,0.75,0\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analysis;
mod log_distance;
mod model;
mod pair_distances;

pub use analysis::{
    AnalysedLayer, AnalysedModel, AnalysisOptions, BinQuantiles, Entropy, ModelAnalysis, Permuted,
    depth_figure, intensity_figure, normalised_intensity_figure, radial_figure, spectra_figure,
};
pub use log_distance::log_spectral_distance;
pub use model::ModelSpectra;
pub use pair_distances::{PairDistance, PairDistances};
