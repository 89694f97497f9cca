//! Hatches that tell bars apart in black and white.

use super::palette::STYLES;
use super::svg::{Svg, Value};

/// The identifier of the hatch of a style within a figure.
pub(crate) fn id(figure: &str, style: usize) -> String {
    format!("{figure}-hatch{}", style % STYLES)
}

/// Defines the hatches that bars use: solid, then stripes and grids.
pub(crate) fn define(svg: &mut Svg, figure: &str, styles: &[usize]) {
    svg.open("defs", &[]);
    for &style in styles {
        let style = style % STYLES;
        let (size, angle) = match style {
            0 => (6.0, 0),
            1 => (6.0, 45),
            2 => (6.0, 0),
            3 => (7.0, 0),
            4 => (6.0, 135),
            5 => (6.0, 90),
            6 => (8.0, 45),
            _ => (9.0, 0),
        };
        let name = id(figure, style);
        let turn = format!("rotate({angle})");
        svg.open(
            "pattern",
            &[
                ("id", Value::Text(&name)),
                ("patternUnits", "userSpaceOnUse".into()),
                ("width", size.into()),
                ("height", size.into()),
                ("patternTransform", Value::Text(&turn)),
            ],
        );
        let fill = format!("f{style}{}", if style == 0 { "" } else { " pale" });
        svg.leaf(
            "rect",
            &[
                ("class", Value::Text(&fill)),
                ("width", size.into()),
                ("height", size.into()),
            ],
        );
        let stroke = format!("hatch c{style}");
        match style {
            0 => {}
            3 | 7 => {
                let fill = format!("f{style}");
                let r = if style == 3 { 1.6 } else { 2.6 };
                let (x, y) = (size / 2.0, size / 2.0);
                svg.leaf(
                    "circle",
                    &[
                        ("class", Value::Text(&fill)),
                        ("cx", x.into()),
                        ("cy", y.into()),
                        ("r", r.into()),
                    ],
                );
            }
            _ => svg.line(&stroke, (0.0, size / 2.0), (size, size / 2.0)),
        }
        if style == 6 {
            svg.line(&stroke, (size / 2.0, 0.0), (size / 2.0, size));
        }
        svg.close();
    }
    svg.close();
}
