//! Eigenvalues of a symmetric matrix.

/// The eigenvalues of a symmetric matrix `[n, n]` (row-major), in no order: Householder's reduction
/// to a tridiagonal matrix, then QL steps with implicit shifts (Golub and Van Loan, *Matrix
/// Computations*, sections 8.3.1 and 8.3.3). Absolute errors are some ulps of the largest one. None
/// if the steps do not converge, which finite matrices are not known to do.
pub(super) fn eigenvalues(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, n);
    diagonalise(&mut diagonal, &mut beside).then_some(diagonal)
}

/// Diagonal and subdiagonal (padded to `n`) of a tridiagonal matrix with the same eigenvalues.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n];
    let mut product = vec![0.0; n];
    for k in 0..n.saturating_sub(1) {
        let below = k + 1..n;
        let mut v: Vec<f64> = a[k * n + k + 1..(k + 1) * n].to_vec();
        let largest = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        if largest == 0.0 {
            continue;
        }
        let norm = largest * v.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt();
        let image = if v[0] > 0.0 { -norm } else { norm };
        beside[k] = image;
        // The reflection along v sends the column to a multiple of the first unit vector.
        v[0] -= image;
        let size = largest.max(v[0].abs());
        let length = size * v.iter().map(|x| (x / size).powi(2)).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= length);
        for i in below.clone() {
            let row = &a[i * n + k + 1..(i + 1) * n];
            product[i] = row.iter().zip(&v).map(|(a, v)| a * v).sum();
        }
        let half: f64 = v.iter().zip(&product[k + 1..]).map(|(v, p)| v * p).sum();
        // A - 2 v w' - 2 w v', with w = A v - (v' A v) v.
        let w: Vec<f64> = product[k + 1..]
            .iter()
            .zip(&v)
            .map(|(p, v)| p - half * v)
            .collect();
        for i in below {
            let (vi, wi) = (2.0 * v[i - k - 1], 2.0 * w[i - k - 1]);
            let row = &mut a[i * n + k + 1..(i + 1) * n];
            for ((a, v), w) in row.iter_mut().zip(&v).zip(&w) {
                *a -= vi * w + wi * v;
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// Turns a tridiagonal matrix into a diagonal one; false if that takes too many steps.
fn diagonalise(d: &mut [f64], e: &mut [f64]) -> bool {
    const STEPS: usize = 200;
    let n = d.len();
    let scale = d
        .iter()
        .chain(e.iter())
        .fold(0.0, |m: f64, x| m.max(x.abs()));
    let negligible = f64::EPSILON * scale;
    for l in 0..n {
        let mut steps = 0;
        loop {
            let m = (l..n - 1)
                .find(|&m| e[m].abs() <= negligible)
                .unwrap_or(n - 1);
            if m == l {
                break;
            }
            steps += 1;
            if steps > STEPS {
                return false;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use spectralkd_base::random::Stream;

    /// Cyclic Jacobi rotations: slow, and obvious.
    fn by_rotations(mut a: Vec<f64>, n: usize) -> Vec<f64> {
        for _ in 0..60 {
            for p in 0..n {
                for q in p + 1..n {
                    if a[p * n + q] == 0.0 {
                        continue;
                    }
                    let angle = 0.5 * (2.0 * a[p * n + q]).atan2(a[q * n + q] - a[p * n + p]);
                    let (s, c) = angle.sin_cos();
                    for k in 0..n {
                        let (x, y) = (a[k * n + p], a[k * n + q]);
                        (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                    }
                    for k in 0..n {
                        let (x, y) = (a[p * n + k], a[q * n + k]);
                        (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                    }
                }
            }
        }
        (0..n).map(|i| a[i * n + i]).collect()
    }

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn rotations_agree() {
        for (n, rank, scale) in [
            (1, 1, 1.0),
            (2, 2, 1e-200),
            (9, 9, 1e150),
            (12, 3, 1.0),
            (7, 0, 1.0),
        ] {
            let mut stream = Stream::new(7, "eigenvalues").at(n as u64);
            let factors: Vec<f64> = (0..n * rank).map(|_| stream.normal()).collect();
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    let dot = (0..rank).map(|r| factors[i * rank + r] * factors[j * rank + r]);
                    a[i * n + j] = scale * dot.sum::<f64>();
                }
            }
            let got = sorted(eigenvalues(a.clone(), n).unwrap());
            let expected = sorted(by_rotations(a, n));
            for (x, y) in got.iter().zip(&expected) {
                assert!(
                    (x - y).abs() <= 1e-12 * expected[n - 1].max(1e-250),
                    "{x} against {y}"
                );
            }
        }
        assert_eq!(eigenvalues(Vec::new(), 0), Some(Vec::new()));
    }

    #[test]
    fn a_chain_has_its_known_eigenvalues() {
        // 2 on the diagonal, -1 beside it: 2 - 2 cos(pi k / (n + 1)).
        let n = 50;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 2.0;
            if i > 0 {
                (a[i * n + i - 1], a[(i - 1) * n + i]) = (-1.0, -1.0);
            }
        }
        let got = sorted(eigenvalues(a, n).unwrap());
        for (k, value) in got.into_iter().enumerate() {
            let angle = std::f64::consts::PI * (k + 1) as f64 / (n + 1) as f64;
            assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-13);
        }
    }
}
