//! Well-formed, inside, apart, the same every time.

use roxmltree::{Document, Node};

use super::samples::samples;
use super::{attribute, classes};
use crate::figure::{WIDTH, text};

#[test]
fn figures_are_well_formed_and_named() {
    for figure in samples() {
        for text in [figure.inline(), figure.standalone()] {
            let doc = Document::parse(&text).unwrap();
            let root = doc.root_element();
            assert_eq!(root.attribute("role"), Some("img"));
            for id in root.attribute("aria-labelledby").unwrap().split(' ') {
                let named = doc.descendants().find(|n| n.attribute("id") == Some(id));
                assert!(!named.unwrap().text().unwrap().is_empty());
            }
            for node in doc.descendants().filter(Node::is_element) {
                for a in node.attributes() {
                    assert!(
                        !a.value().contains("NaN") && !a.value().contains("inf"),
                        "{a:?}"
                    );
                    if let Some(id) = a.value().strip_prefix("url(#") {
                        let id = id.trim_end_matches(')');
                        assert!(
                            doc.descendants().any(|n| n.attribute("id") == Some(id)),
                            "{id}"
                        );
                    }
                }
            }
        }
        assert!(!figure.inline().contains("<style"));
        assert!(figure.standalone().contains("<style"));
        assert!(!figure.standalone().contains("var("));
    }
}

#[test]
fn text_stays_inside_and_apart() {
    for figure in samples() {
        let text = figure.inline();
        let doc = Document::parse(&text).unwrap();
        let mut boxes: Vec<(String, [f64; 4])> = Vec::new();
        for node in doc.descendants().filter(|n| n.has_tag_name("text")) {
            let size = match classes(node) {
                c if c.contains(&"name") => 15.0,
                c if c.contains(&"panel") => 15.0, // bold
                c if c.contains(&"cell") => 12.0,
                _ => 14.0,
            };
            let label = node.text().unwrap_or("").to_owned();
            let width = text::width(&label, size);
            let (x, y) = (attribute(node, "x"), attribute(node, "y"));
            let left = match node.attribute("text-anchor").unwrap() {
                "start" => x,
                "middle" => x - width / 2.0,
                _ => x - width,
            };
            // Cap height above the base line, a little of the descent below.
            let own = [left, left + width, y - 0.72 * size, y + 0.1 * size];
            assert!(
                own[0] >= -0.5 && own[1] <= WIDTH + 0.5 && own[2] >= 0.0 && own[3] <= figure.height,
                "`{label}` of {} leaves the view box: {own:?}",
                figure.id
            );
            for (other, [l, r, t, b]) in &boxes {
                let apart = own[1] <= *l || own[0] >= *r || own[3] <= *t || own[2] >= *b;
                assert!(apart, "`{label}` and `{other}` overlap in {}", figure.id);
            }
            boxes.push((label, own));
        }
        assert!(boxes.len() > 2);
    }
}

#[test]
fn nothing_is_drawn_outside() {
    for figure in samples() {
        let text = figure.inline();
        let doc = Document::parse(&text).unwrap();
        let shapes = doc.descendants().filter(|n| {
            let hidden = n.ancestors().any(|a| a.has_tag_name("pattern"));
            n.is_element() && !hidden
        });
        for node in shapes {
            let mut points: Vec<(f64, f64)> = Vec::new();
            for pair in node.attribute("points").unwrap_or("").split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap();
                points.push((x.parse().unwrap(), y.parse().unwrap()));
            }
            for (x, y) in [("x1", "y1"), ("x2", "y2"), ("cx", "cy"), ("x", "y")] {
                if node.has_attribute(x) && node.has_attribute(y) {
                    points.push((attribute(node, x), attribute(node, y)));
                }
            }
            for (x, y) in points {
                let inside =
                    (-1.0..=WIDTH + 1.0).contains(&x) && (-1.0..=figure.height).contains(&y);
                assert!(inside, "{} draws at {x}, {y}: {node:?}", figure.id);
            }
        }
    }
}

#[test]
fn the_same_data_gives_the_same_bytes() {
    assert_eq!(samples(), samples());
}
