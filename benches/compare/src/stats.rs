//! Medians and percentiles.

/// The value below which `share` (0 to 1) of the samples lie, or 0 where there are none. Sorts the samples.
pub fn percentile(samples: &mut [u64], share: f64) -> u64 {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    // Sample counts are far below 2^52, and the product is within 0..=last.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = (last as f64 * share).round() as usize;
    samples.get(at).copied().unwrap_or(0)
}

/// The median, or NaN where there are no values. Sorts them.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_and_edges() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&mut []).is_nan());
        assert_eq!(percentile(&mut [5, 1, 4, 2, 3], 0.5), 3);
        assert_eq!(percentile(&mut [5, 1, 4, 2, 3], 1.0), 5);
        assert_eq!(percentile(&mut [], 0.5), 0);
    }
}
