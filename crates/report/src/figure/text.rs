//! How wide a text will be, without a font at hand.
//!
//! The widths are Helvetica's (Adobe's font metrics, thousandths of the font
//! size), which Arial, Liberation Sans and Nimbus Sans share and Roboto comes
//! near to; five percent are added, so that a wider substitute still fits.

/// Advance widths of the characters from space to tilde.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278,
    278, // space..'/'
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584,
    556, // '0'..'?'
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722,
    778, // '@'..'O'
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, // 'P'..'_'
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556,
    556, // '`'..'o'
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // 'p'..'~'
];

/// Width of `text` at font size `size`, in the unit of `size`.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let thousandths: u32 = text.chars().map(|c| u32::from(advance(c))).sum();
    f64::from(thousandths) / 1000.0 * size * 1.05
}

fn advance(c: char) -> u16 {
    match c {
        ' '..='~' => WIDTHS[c as usize - 32],
        '⁰'..='⁹' | '¹' | '²' | '³' | '⁻' => 340,
        '−' | '×' | '±' => 584,
        '\u{1100}'.. => 1000, // East Asian wide characters and pictures
        _ => 600,
    }
}

/// `text`, or as much of its beginning as fits into `room`, with an ellipsis.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let room = room - width("…", size);
    for c in text.chars() {
        kept.push(c);
        if width(&kept, size) > room {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end())
}

/// `text` in lines of at most `room`, broken between words.
pub(crate) fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line} {word}");
            if width(&longer, size) <= room {
                *line = longer;
                continue;
            }
        }
        lines.push(fit(word, size, room));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_helveticas() {
        assert!((width("0000", 10.0) - 4.0 * 5.56 * 1.05).abs() < 1e-9);
        assert!((width("Il~", 10.0) - (2.78 + 2.22 + 5.84) * 1.05).abs() < 1e-9);
        assert!((width("@A", 10.0) - (10.15 + 6.67) * 1.05).abs() < 1e-9);
    }

    #[test]
    fn long_titles_are_broken() {
        let text = "normalised intensity (white noise of the same width and RMS: 1)";
        let lines = wrap(text, 15.0, 300.0);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| width(l, 15.0) <= 300.0));
        assert_eq!(lines.join(" "), text);
        assert!(wrap("", 15.0, 300.0).is_empty());
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(fit("short", 14.0, 100.0), "short");
        let cut = fit("a rather long label of a series", 14.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 14.0) <= 100.0, "{cut}");
        assert_eq!(fit("abc", 14.0, 0.0), "…");
    }
}
