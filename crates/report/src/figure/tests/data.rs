//! What is drawn is what the CSV says: coordinates are read back by the ticks.

use roxmltree::{Document, Node};

use super::samples::{heat_map, interval_plot, line_chart, panels};
use super::{attribute, with_class};
use crate::csv::Reader;

/// Coordinates back to values, by the tick labels that a reader would use.
struct Ruler {
    from: (f64, f64),
    to: (f64, f64),
}

impl Ruler {
    fn new(ticks: &[Node], coordinate: &str, shift: f64) -> Self {
        let read = |n: &Node| {
            let label = n.text().unwrap().replace('−', "-");
            (attribute(*n, coordinate) + shift, label.parse().unwrap())
        };
        let (from, to) = (read(&ticks[0]), read(&ticks[ticks.len() - 1]));
        Self { from, to }
    }

    fn value(&self, coordinate: f64) -> f64 {
        let share = (coordinate - self.from.0) / (self.to.0 - self.from.0);
        self.from.1 + share * (self.to.1 - self.from.1)
    }

    /// What half a hundredth of a unit is in values.
    fn slack(&self) -> f64 {
        0.03 * ((self.to.1 - self.from.1) / (self.to.0 - self.from.0)).abs()
    }
}

fn points(node: Node) -> Vec<(f64, f64)> {
    let pair = |p: &str| {
        let (x, y) = p.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    node.attribute("points")
        .unwrap()
        .split(' ')
        .map(pair)
        .collect()
}

#[test]
fn lines_are_the_csv() {
    let figure = line_chart(&["one", "two", "three"], 8).draw().unwrap();
    let text = figure.inline();
    let doc = Document::parse(&text).unwrap();
    let x = Ruler::new(&with_class(&doc, "xtick"), "x", 0.0);
    let y = Ruler::new(&with_class(&doc, "ytick"), "y", -5.0);
    let csv = Reader::parse(&figure.csv).unwrap();
    assert_eq!(
        csv.columns,
        ["series", "epoch", "top_1_accuracy", "low", "high"]
    );
    let column = |c: &str| csv.texts(c).unwrap();
    let number = |t: &str| t.parse::<f64>().unwrap();
    let lines: Vec<_> = with_class(&doc, "line")
        .into_iter()
        .flat_map(points)
        .collect();
    assert_eq!(lines.len(), 24);
    for (i, (px, py)) in lines.iter().enumerate() {
        assert!((x.value(*px) - number(column("epoch")[i])).abs() < x.slack());
        assert!((y.value(*py) - number(column("top_1_accuracy")[i])).abs() < y.slack());
    }
    for (s, band) in with_class(&doc, "band").into_iter().enumerate() {
        let outline = points(band);
        for i in 0..8 {
            let row = s * 8 + i;
            assert!((y.value(outline[i].1) - number(column("high")[row])).abs() < y.slack());
            assert!((y.value(outline[15 - i].1) - number(column("low")[row])).abs() < y.slack());
        }
    }
    let reference = attribute(with_class(&doc, "mark")[0], "y1");
    assert!((y.value(reference) - 84.0).abs() < y.slack());
    assert_eq!(csv.rows[24], ["linear classifier", "", "84", "", ""]);
}

#[test]
fn panels_are_the_csv() {
    let figure = panels(3).columns(1).draw().unwrap();
    let text = figure.inline();
    let doc = Document::parse(&text).unwrap();
    let x = Ruler::new(&with_class(&doc, "xtick"), "x", 0.0);
    let ticks = with_class(&doc, "ytick");
    let csv = Reader::parse(&figure.csv).unwrap();
    let (xs, ys) = (csv.numbers("frequency").unwrap(), &csv.columns[3]);
    let ys = csv.numbers(ys).unwrap();
    let lines: Vec<Node> = with_class(&doc, "fine");
    assert_eq!(lines.len(), 6);
    for (l, line) in lines.into_iter().enumerate() {
        let of_panel = &ticks[l / 2 * ticks.len() / 3..(l / 2 + 1) * ticks.len() / 3];
        let y = Ruler::new(of_panel, "y", -5.0);
        for (i, (px, py)) in points(line).into_iter().enumerate() {
            assert!((x.value(px) - xs[l * 25 + i]).abs() < x.slack());
            assert!((y.value(py) - ys[l * 25 + i]).abs() < y.slack());
        }
    }
}

#[test]
fn intervals_are_the_csv() {
    let figure = interval_plot(&[("a", &[0.2, 0.9, 0.6]), ("b", &[-0.8])])
        .draw()
        .unwrap();
    let text = figure.inline();
    let doc = Document::parse(&text).unwrap();
    let x = Ruler::new(&with_class(&doc, "xtick"), "x", 0.0);
    let csv = Reader::parse(&figure.csv).unwrap();
    assert_eq!(csv.rows.len(), 6);
    let span = with_class(&doc, "span")[0];
    let near = |node, name, text: &str| {
        let drawn = x.value(attribute(node, name));
        assert!(
            (drawn - text.parse::<f64>().unwrap()).abs() < x.slack(),
            "{drawn} for {text}"
        );
    };
    near(span, "x1", csv.texts("low").unwrap()[0]);
    near(span, "x2", csv.texts("high").unwrap()[0]);
    let seeds = csv.rows.iter().filter(|r| r[1] == "seed");
    for (circle, row) in with_class(&doc, "seed").into_iter().zip(seeds) {
        near(circle, "cx", &row[2]);
    }
    near(with_class(&doc, "zero")[0], "x1", "0");
    near(with_class(&doc, "mark")[0], "x1", "0.5");
    assert_eq!(csv.rows[0][7], "undecided");
    assert_eq!(csv.rows[4][..5], ["b", "mean", "-0.8", "", ""]);
}

#[test]
fn cells_are_the_csv() {
    let figure = heat_map(3, 5, |r, c| (r != 1).then_some(0.1 + (r * 5 + c) as f64))
        .draw()
        .unwrap();
    let text = figure.inline();
    let doc = Document::parse(&text).unwrap();
    let csv = Reader::parse(&figure.csv).unwrap();
    assert_eq!(
        csv.columns,
        ["student_layer", "teacher_layer", "spectral_loss"]
    );
    let labels = with_class(&doc, "cell")
        .into_iter()
        .map(|n| n.text().unwrap().to_owned());
    let shown = csv
        .texts("spectral_loss")
        .unwrap()
        .into_iter()
        .filter(|t| !t.is_empty());
    let expected = shown.map(|t| crate::format::significant(t.parse().unwrap(), 2));
    assert_eq!(labels.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(with_class(&doc, "missing").len(), 5);
}

#[test]
fn a_path_joins_its_cells_in_order() {
    let cells = [(0, 0), (1, 3), (2, 1)];
    let map = heat_map(3, 5, |_, _| Some(1.0));
    let figure = map.path("chosen", cells.to_vec()).draw().unwrap();
    let text = figure.inline();
    let doc = Document::parse(&text).unwrap();
    let path = with_class(&doc, "path");
    // The key comes first: a link and two cells; then the links, then the cells.
    let links: Vec<_> = path.iter().filter(|n| n.has_tag_name("line")).collect();
    let frames: Vec<_> = path.iter().filter(|n| n.has_tag_name("rect")).collect();
    assert_eq!((links.len(), frames.len()), (3, 5));
    let box_of = |n: &Node| {
        let (x, y) = (attribute(*n, "x"), attribute(*n, "y"));
        (
            x..=x + attribute(*n, "width"),
            y..=y + attribute(*n, "height"),
        )
    };
    for (step, link) in links[1..].iter().enumerate() {
        for (frame, (x, y)) in [(step, ("x1", "y1")), (step + 1, ("x2", "y2"))] {
            let (across, down) = box_of(frames[frame + 2]);
            assert!(across.contains(&attribute(**link, x)), "{link:?}");
            assert!(down.contains(&attribute(**link, y)), "{link:?}");
        }
    }
    let csv = Reader::parse(&figure.csv).unwrap();
    for (step, (r, c)) in cells.into_iter().enumerate() {
        let row = &csv.rows[r * 5 + c];
        assert_eq!(row.last().unwrap(), &(step + 1).to_string());
    }
    assert!(figure.description().ends_with("chosen: 0, 0; 1, 3; 2, 1."));
}
