//! What holds for every kind of figure: it is well-formed, nothing overlaps or
//! leaves the view box, and what is drawn is what the CSV says.

mod bad;
mod data;
mod layout;
mod samples;

use roxmltree::{Document, Node};

fn classes<'a>(node: Node<'a, '_>) -> Vec<&'a str> {
    node.attribute("class").unwrap_or("").split(' ').collect()
}

fn with_class<'a, 'b>(doc: &'a Document<'b>, class: &'a str) -> Vec<Node<'a, 'b>> {
    let found = doc.descendants().filter(|n| classes(*n).contains(&class));
    found.collect()
}

fn attribute(node: Node, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}
