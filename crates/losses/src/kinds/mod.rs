//! The kinds of losses: one file each, with the keys that describe it, the formula, and what it is
//! once built. A new one is a new file and its word in the list below.

use crate::spec::kinds;

kinds! {
    cross_entropy::CrossEntropy,
    kl::Kl,
    hard::Hard,
    spectral::Spectral,
    mse::Mse,
    spectral_band::SpectralBand,
    fitnets::FitNets,
    manifold::Manifold,
    dist::Dist,
    rkd::Rkd,
}
