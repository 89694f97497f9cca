//! Numbers as people read them: a real minus sign, fixed decimals, superscripts.

/// `value` with `decimals` decimals and a true minus sign (U+2212); minus zero
/// is written without its sign.
///
/// ```
/// use spectralkd_report::format::number;
/// assert_eq!(number(-1.256, 2), "−1.26");
/// assert_eq!(number(-0.001, 2), "0.00");
/// ```
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let digits = text.strip_prefix('-');
    match digits {
        Some(digits) if digits.bytes().all(|b| b == b'0' || b == b'.') => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// As [`number`], with a plus sign in front of what is above zero.
///
/// ```
/// use spectralkd_report::format::signed;
/// assert_eq!(signed(0.5, 2), "+0.50");
/// assert_eq!(signed(0.001, 2), "0.00");
/// ```
pub fn signed(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value > 0.0 && !zero {
        format!("+{text}")
    } else {
        text
    }
}

/// `value` with at most `decimals` decimals, trailing zeros dropped.
///
/// ```
/// use spectralkd_report::format::trimmed;
/// assert_eq!(trimmed(95.0, 3), "95");
/// assert_eq!(trimmed(0.250, 3), "0.25");
/// ```
pub fn trimmed(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `value` with `digits` significant digits, as a power of ten when it is very
/// small or very large.
///
/// ```
/// use spectralkd_report::format::significant;
/// assert_eq!(significant(0.012345, 3), "0.0123");
/// assert_eq!(significant(1234.5, 3), "1230");
/// assert_eq!(significant(-0.000012, 2), "−1.2×10⁻⁵");
/// ```
pub fn significant(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    if value == 0.0 || !value.is_finite() {
        return number(value, 0);
    }
    // The exponent after rounding: 9.99 has three digits less than 10.0.
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let rounded: f64 = scientific.parse().unwrap_or(value);
        let decimals = (digits as i32 - 1 - exponent).max(0);
        return number(rounded, decimals as usize);
    }
    let mantissa = mantissa.replace('-', "−");
    format!("{mantissa}×10{}", superscript(exponent))
}

/// A whole number in superscript digits.
pub(crate) fn superscript(value: i32) -> String {
    value
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_changes_the_exponent() {
        assert_eq!(significant(9.999, 3), "10.0");
        assert_eq!(significant(0.000_099_99, 2), "0.00010");
        assert_eq!(significant(999_999.0, 3), "1.00×10⁶");
        assert_eq!(significant(0.0, 3), "0");
        assert_eq!(significant(-12.34, 3), "−12.3");
    }

    #[test]
    fn trimming_keeps_whole_tens() {
        assert_eq!(trimmed(100.0, 0), "100");
        assert_eq!(trimmed(100.0, 2), "100");
        assert_eq!(trimmed(-0.0, 2), "0");
    }
}
