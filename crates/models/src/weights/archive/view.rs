//! Values of a tensor within a storage.

/// Which values of a storage make up a tensor; sizes and strides count values.
pub(super) struct View {
    pub storage: String,
    pub offset: usize,
    pub strides: Vec<usize>,
}

impl View {
    /// The values of a view in row-major order; `None` if it reaches beyond its storage or has more values than it.
    pub fn gather(&self, bytes: Vec<u8>, size: usize, shape: &[usize]) -> Option<Vec<u8>> {
        let count = (shape.iter()).try_fold(1usize, |product, &n| product.checked_mul(n))?;
        if count == 0 {
            return Some(Vec::new());
        }
        let last = (shape.iter().zip(&self.strides))
            .try_fold(self.offset, |sum, (&n, &stride)| {
                sum.checked_add((n - 1).checked_mul(stride)?)
            })?;
        let held = bytes.len() / size;
        if last >= held || count > held {
            return None;
        }
        let mut step = 1;
        let contiguous = shape.iter().zip(&self.strides).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == step;
            step *= n;
            fits
        });
        if contiguous {
            let range = self.offset * size..(self.offset + count) * size;
            return Some(if range == (0..bytes.len()) {
                bytes
            } else {
                bytes[range].to_vec()
            });
        }
        let mut gathered = Vec::with_capacity(count * size);
        let mut index = vec![0; shape.len()];
        for _ in 0..count {
            let at = index
                .iter()
                .zip(&self.strides)
                .map(|(i, stride)| i * stride)
                .sum::<usize>();
            let start = (self.offset + at) * size;
            gathered.extend_from_slice(&bytes[start..start + size]);
            for (i, &n) in index.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < n {
                    break;
                }
                *i = 0;
            }
        }
        Some(gathered)
    }
}
