//! A small SVG writer: elements, attributes, escaped text.

use std::fmt::Write;

/// An SVG fragment under construction. Coordinates that are not finite are
/// noted and make [`Svg::finish`] fail, so that no broken file is ever written.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    out: String,
    broken: bool,
}

/// The value of an attribute.
pub(crate) enum Value<'a> {
    /// A coordinate or a length, in units of the view box.
    Number(f64),
    /// Any text; it is escaped.
    Text(&'a str),
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

/// Where a text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An element without content.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[(&str, Value)]) {
        self.start(name, attributes);
        self.out.push_str("/>");
    }

    /// An element that holds a text and nothing else.
    pub(crate) fn text_element(
        &mut self,
        name: &'static str,
        attributes: &[(&str, Value)],
        text: &str,
    ) {
        self.start(name, attributes);
        let _ = write!(self.out, ">{}</{name}>", escape(text));
    }

    /// A line of text at a point on its base line.
    pub(crate) fn label(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.text_element(
            "text",
            &[
                ("class", class.into()),
                ("x", x.into()),
                ("y", y.into()),
                ("text-anchor", anchor.into()),
            ],
            text,
        );
    }

    /// A straight line.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.leaf(
            "line",
            &[
                ("class", class.into()),
                ("x1", from.0.into()),
                ("y1", from.1.into()),
                ("x2", to.0.into()),
                ("y2", to.1.into()),
            ],
        );
    }

    /// The points of a path or polygon as `x,y x,y`.
    pub(crate) fn points(&mut self, points: &[(f64, f64)]) -> String {
        let mut text = String::new();
        for (i, &(x, y)) in points.iter().enumerate() {
            let space = if i > 0 { " " } else { "" };
            let _ = write!(text, "{space}{},{}", self.coordinate(x), self.coordinate(y));
        }
        text
    }

    /// A coordinate as text, with at most two decimals.
    pub(crate) fn coordinate(&mut self, value: f64) -> String {
        // Far outside any view box is as broken as NaN: a scale went wrong.
        if value.is_nan() || value.abs() > 1e6 {
            self.broken = true;
            return "0".into();
        }
        let text = format!("{value:.2}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" {
            "0".into()
        } else {
            text.into()
        }
    }

    /// The fragment, or none when a coordinate was not finite.
    pub(crate) fn finish(self) -> Option<String> {
        (!self.broken).then_some(self.out)
    }

    fn start(&mut self, name: &'static str, attributes: &[(&str, Value)]) {
        let _ = write!(self.out, "<{name}");
        for (key, value) in attributes {
            let value = match value {
                Value::Number(number) => self.coordinate(*number),
                Value::Text(text) => escape(text),
            };
            let _ = write!(self.out, " {key}=\"{value}\"");
        }
    }
}

/// `text` with the markup characters of XML and HTML escaped, and characters
/// that XML 1.0 forbids replaced by U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c) => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape("a<b>&\"c'\u{1}\u{ffff}"),
            "a&lt;b&gt;&amp;&quot;c&#39;\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let mut svg = Svg::new();
        assert_eq!(svg.coordinate(1.0), "1");
        assert_eq!(svg.coordinate(-0.001), "0");
        assert_eq!(svg.coordinate(12.345), "12.35");
        assert_eq!(svg.coordinate(100.0), "100");
    }

    #[test]
    fn a_broken_coordinate_fails() {
        for bad in [f64::NAN, f64::INFINITY, 1e9] {
            let mut svg = Svg::new();
            svg.line("axis", (0.0, bad), (1.0, 1.0));
            assert_eq!(svg.finish(), None);
        }
    }
}
