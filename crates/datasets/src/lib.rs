//! Image data sets, transforms, samplers and the batch loader.
