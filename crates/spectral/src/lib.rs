//! Fourier transforms, adaptive pooling and streaming spectra on candle tensors.
