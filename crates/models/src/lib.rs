//! DeiT and CaiT with timm's parameter names and feature taps.
