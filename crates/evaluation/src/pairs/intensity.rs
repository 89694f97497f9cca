//! The layers of highest intensity.

/// The places of the `count` highest intensities, ascending; of equals the
/// first.
pub(super) fn highest(intensities: &[f64], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..intensities.len()).collect();
    // The sort is stable, so that equals stay in depth order.
    places.sort_by(|&i, &j| intensities[j].total_cmp(&intensities[i]));
    places.truncate(count);
    places.sort_unstable();
    places
}

/// For every pair the mean of both intensities, each relative to the highest
/// of its model: 0 ..= 1. The sum over a matching is highest for the layers
/// that [`highest`] takes, however they are matched.
pub(super) fn matrix(student: &[f64], teacher: &[f64]) -> Vec<Vec<f64>> {
    let relative = |intensities: &[f64]| -> Vec<f64> {
        let most = intensities.iter().copied().fold(0.0, f64::max);
        let share = |i: &f64| if most > 0.0 { i / most } else { 0.0 };
        intensities.iter().map(share).collect()
    };
    let (student, teacher) = (relative(student), relative(teacher));
    let row = |s: &f64| teacher.iter().map(|t| (s + t) / 2.0).collect();
    student.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_in_depth_order() {
        assert_eq!(highest(&[0.5, 0.1, 0.4, 0.9], 3), [0, 2, 3]);
        assert_eq!(highest(&[1.0, 2.0, 1.0, 1.0], 2), [0, 1]);
    }

    #[test]
    fn intensities_are_relative_to_their_models() {
        let m = matrix(&[1.0, 4.0], &[0.1, 0.2]);
        assert_eq!(m, [[0.375, 0.625], [0.75, 1.0]]);
        assert_eq!(matrix(&[0.0], &[0.0]), [[0.0]]);
    }
}
