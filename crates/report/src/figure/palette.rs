//! Colours, dashes and markers, and the style sheet made of them.
//!
//! The colours of series are Okabe and Ito's (*Color Universal Design*, 2008),
//! which people with the common kinds of colour blindness can tell apart; on a
//! dark page the dark ones are lightened. Colour never stands alone: each
//! style has a dash and a marker of its own for black and white.

use super::svg::{Svg, Value};

/// Number of styles that can be told apart.
pub const STYLES: usize = 8;

/// One colour on a light and on a dark ground.
struct Colour {
    name: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// Every colour of the figures; series first, in the order of the styles.
const COLOURS: [Colour; STYLES + 4] = [
    colour("0", "#0072b2", "#4ba6e0"), // blue
    colour("1", "#d55e00", "#f0843a"), // vermillion
    colour("2", "#009e73", "#2fc49a"), // bluish green
    colour("3", "#b5528f", "#dd93bd"), // reddish purple, a shade darker on light
    colour("4", "#000000", "#f2f2f2"), // black
    colour("5", "#e69f00", "#e6b23c"), // orange
    colour("6", "#56b4e9", "#8fd0f5"), // sky blue
    colour("7", "#8a8300", "#f0e442"), // yellow, darkened on light
    colour("ground", "#ffffff", "#15181c"),
    colour("ink", "#1b1f24", "#e8eaed"),
    colour("muted", "#57606a", "#a5adb8"),
    colour("grid", "#dfe3e8", "#30363d"),
];

/// Dash patterns by style, in units of the view box; empty is solid.
const DASHES: [&str; STYLES] = [
    "",
    "7 4",
    "2 3",
    "10 3 2 3",
    "",
    "14 4",
    "4 4",
    "10 3 2 3 2 3",
];

/// The dash pattern of a style.
pub(crate) fn dash(style: usize) -> &'static str {
    DASHES[style % STYLES]
}

/// Draws the marker of a style, centred at a point, about 8 units wide.
pub(crate) fn marker(svg: &mut Svg, style: usize, x: f64, y: f64) {
    let style = style % STYLES;
    let corners: &[(f64, f64)] = match style {
        0 | 4 => {
            let class = format!("marker {}", if style == 0 { "f0" } else { "open c4" });
            svg.leaf(
                "circle",
                &[
                    ("class", Value::Text(&class)),
                    ("cx", x.into()),
                    ("cy", y.into()),
                    ("r", 4.0.into()),
                ],
            );
            return;
        }
        1 | 5 => &[(-3.8, -3.8), (3.8, -3.8), (3.8, 3.8), (-3.8, 3.8)],
        2 => &[(0.0, -4.8), (4.8, 3.8), (-4.8, 3.8)],
        3 | 7 => &[(0.0, -5.2), (5.2, 0.0), (0.0, 5.2), (-5.2, 0.0)],
        _ => &[(0.0, 4.8), (4.8, -3.8), (-4.8, -3.8)],
    };
    let class = if style < 4 {
        format!("marker f{style}")
    } else {
        format!("marker open c{style}")
    };
    let moved: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    let points = svg.points(&moved);
    svg.leaf(
        "polygon",
        &[
            ("class", Value::Text(&class)),
            ("points", Value::Text(&points)),
        ],
    );
}

/// The custom properties of a page that shows figures inline: light values,
/// and dark ones where the reader prefers a dark page.
pub(crate) fn page_variables() -> String {
    let list = |dark: bool| -> String {
        let one = |c: &Colour| {
            let value = if dark { c.dark } else { c.light };
            format!("--fig-{}:{value};", c.name)
        };
        COLOURS.iter().map(one).collect()
    };
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n\
         @media print{{:root{{{}}}}}\n",
        list(false),
        list(true),
        list(false)
    )
}

/// The rules of all figures, in terms of the custom properties.
pub(crate) fn page_rules() -> String {
    let mut rules = String::from(include_str!("figure.css"));
    for style in 0..STYLES {
        rules.push_str(&format!(
            ".fig .c{style}{{stroke:var(--fig-{style})}}\n.fig .f{style}{{fill:var(--fig-{style})}}\n"
        ));
    }
    rules
}

/// The rules of one SVG file that stands by itself, on a light ground: the
/// colours are written out, since many viewers know no custom properties.
pub(crate) fn standalone_rules() -> String {
    COLOURS.iter().fold(page_rules(), |rules, c| {
        rules.replace(&format!("var(--fig-{})", c.name), c.light)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast as WCAG 2.2 defines them.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |hex: &str| {
            let part = |i: usize| {
                let v = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
                if v <= 0.040_45 {
                    v / 12.92
                } else {
                    ((v + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out_on_both_grounds() {
        let ground = &COLOURS[STYLES];
        for colour in &COLOURS {
            let need = match colour.name {
                "ink" => 10.0,
                "muted" => 4.5,
                "ground" | "grid" => 1.0,
                // Okabe and Ito's own light colours, for the fifth series on.
                "5" | "6" => 2.0,
                _ => 3.0,
            };
            for (c, g) in [(colour.light, ground.light), (colour.dark, ground.dark)] {
                let got = contrast(c, g);
                assert!(got >= need, "{}: {got:.2} of {need} on {g}", colour.name);
            }
        }
    }

    #[test]
    fn a_file_of_its_own_has_no_variables() {
        let rules = standalone_rules();
        assert!(!rules.contains("var("), "{rules}");
        assert!(rules.contains("#0072b2"));
    }

    #[test]
    fn neighbouring_styles_differ_in_dash_or_marker() {
        for a in 0..STYLES {
            for b in 0..a {
                let mut left = Svg::new();
                marker(&mut left, a, 0.0, 0.0);
                let mut right = Svg::new();
                marker(&mut right, b, 0.0, 0.0);
                let shape = |svg: Svg| {
                    let text = svg.finish().unwrap();
                    (
                        text.contains("open"),
                        text.split("points").nth(1).map(str::to_owned),
                    )
                };
                assert_ne!(shape(left), shape(right), "{a} and {b}");
            }
        }
    }
}
