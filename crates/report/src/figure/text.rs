//! How wide a text will be, without a font at hand.
//!
//! The widths are, character by character, the wider of Helvetica's (Adobe's font metrics, which Arial, Liberation Sans
//! and Nimbus Sans share and Roboto comes near to) and DejaVu Sans's, which is what a system without any of those
//! shows: a figure that fits by them fits in either.

/// Advance widths of the characters from space to tilde, thousandths of the font size.
#[rustfmt::skip]
const WIDTHS: [u16; 95] = [
    // ' ' to '/'
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
    // '0' to '?'
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 556,
    // '@' to 'O'
    1015, 684, 686, 722, 770, 667, 611, 778, 752, 295, 500, 667, 557, 863, 748, 787,
    // 'P' to '_'
    667, 787, 722, 667, 611, 732, 684, 989, 685, 667, 685, 390, 337, 390, 838, 556,
    // '`' to 'o'
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    // 'p' to '~'
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// Width of `text` at font size `size`, in the unit of `size`.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let thousandths: u32 = text.chars().map(|c| u32::from(advance(c))).sum();
    f64::from(thousandths) / 1000.0 * size
}

fn advance(c: char) -> u16 {
    match c {
        ' '..='~' => WIDTHS[c as usize - 32],
        '⁰'..='⁹' | '¹' | '²' | '³' => 401,
        '⁻' => 528,
        '−' | '×' | '±' | '→' | '≤' | '≥' => 838,
        '…' => 1000,
        '\u{1100}'.. => 1000, // East Asian wide characters and pictures
        _ => 660,
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
    fn widths_are_those_of_the_wider_font() {
        // Of "0" DejaVu Sans's, of "@" Helvetica's.
        assert!((width("0000", 10.0) - 4.0 * 6.36).abs() < 1e-9);
        assert!((width("@@", 10.0) - 2.0 * 10.15).abs() < 1e-9);
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
