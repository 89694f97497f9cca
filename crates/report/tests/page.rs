//! The page as a reader's browser sees it: well-formed, self-contained, escaped.

use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};
use spectralkd_report::Error;
use spectralkd_report::figure::{Axis, Figure, HeatMap, LineChart, Series};
use spectralkd_report::page::{Cell, Column, Report, Section, Table};
use spectralkd_report::statistics::{Judgement, Summary, Verdict};

const NASTY: &str = "<script>alert(\"1\")</script> & 'x' `a<b` \u{1}";

fn lines(id: &str) -> Figure {
    LineChart::new(id, format!("Title {NASTY}"))
        .caption(NASTY)
        .x(Axis::new("epoch"))
        .y(Axis::new(NASTY).unit(NASTY))
        .series(Series::new(NASTY, vec![(1.0, 2.0), (2.0, 3.0)]))
        .draw()
        .unwrap()
}

fn cells(id: &str) -> Figure {
    HeatMap::new(id, "Cells")
        .rows("layer", vec!["0".into()])
        .columns("layer", vec!["0".into(), "1".into()])
        .values(Axis::new("value"), vec![vec![Some(1.0), None]])
        .draw()
        .unwrap()
}

fn table() -> Table {
    let values = [81.0, 81.4, 82.0];
    let judged = Judgement::paired(&values, &[80.0, 80.2, 80.5], 0.5, 0.95).unwrap();
    Table::new(NASTY)
        .columns([
            Column::text("variant"),
            Column::number("top-1").unit("%"),
            Column::text("v"),
        ])
        .row([
            Cell::text(NASTY),
            Cell::spread(&Summary::of(&values).unwrap(), 2),
            Cell::verdict(judged.verdict()),
        ])
        .row([
            Cell::text("b"),
            Cell::interval(judged.interval().unwrap(), 2),
            Cell::none(),
        ])
}

fn report() -> Report {
    Report::new(NASTY)
        .subtitle(NASTY)
        .warning("This profile cannot judge the claim.")
        .verdict(
            NASTY,
            Verdict::Undecided,
            "Undecided: the numbers say nothing.",
        )
        .verdict("a", Verdict::Supported, NASTY)
        .lead(NASTY)
        .section(
            Section::new("Results")
                .table(table())
                .figures([lines("one"), lines("two")]),
        )
        .section(
            Section::new("Results")
                .figures([cells("three"), cells("four")])
                .paragraph(NASTY),
        )
        .section(
            Section::new(NASTY)
                .list([NASTY, "b"])
                .facts([("key", NASTY)])
                .details(NASTY, NASTY)
                .files([(NASTY, "figures/one.svg")]),
        )
}

/// The body as XML: everything in it is closed, so that an XML parser can judge it.
fn body(html: &str) -> &str {
    let start = html.find("<main>").unwrap();
    let end = html.find("</main>").unwrap() + "</main>".len();
    &html[start..end]
}

fn parse(text: &str) -> Document<'_> {
    Document::parse_with_options(text, ParsingOptions::default()).unwrap()
}

fn text(node: Node) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|n| n.text())
        .collect()
}

#[test]
fn the_page_is_well_formed_and_escaped() {
    let html = report().to_html().unwrap();
    let doc = parse(body(&html));
    assert!(doc.descendants().all(|n| !n.has_tag_name("script")));
    let h1 = doc.descendants().find(|n| n.has_tag_name("h1")).unwrap();
    assert_eq!(
        text(h1),
        NASTY.replace('`', "").replace('\u{1}', "\u{fffd}")
    );
    assert!(html.contains("<code>a&lt;b</code>"));
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en-GB\">"));
    assert!(html.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""));
    assert!(html.contains("<title>&lt;script&gt;"));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let html = report().to_html().unwrap();
    let doc = parse(body(&html));
    for node in doc.descendants().filter(Node::is_element) {
        for a in node.attributes() {
            assert!(!a.name().starts_with("on"), "{a:?}");
            if ["href", "src", "srcset", "action"].contains(&a.name()) {
                let local = a.value().starts_with('#')
                    || a.value().starts_with("data:text/csv")
                    || a.value() == "figures/one.svg";
                assert!(local, "{a:?}");
            }
        }
    }
    let namespace = "http://www.w3.org/2000/svg";
    let rest = html.replace(namespace, "");
    assert!(!rest.contains("http:") && !rest.contains("https:"));
    assert!(!html.contains("@import") && !html.contains("url(\""));
    assert!(html.contains("Content-Security-Policy"));
    assert!(html.contains("prefers-color-scheme:dark"));
}

#[test]
fn identifiers_are_unique_and_references_resolve() {
    let html = report().to_html().unwrap();
    let doc = parse(body(&html));
    let mut ids = BTreeSet::new();
    for node in doc.descendants() {
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id), "`{id}` twice");
        }
    }
    for node in doc.descendants().filter(Node::is_element) {
        for a in node.attributes() {
            let inner = a.value().strip_prefix('#').filter(|_| a.name() == "href");
            let paint = a
                .value()
                .strip_prefix("url(#")
                .map(|p| p.trim_end_matches(')'));
            if let Some(id) = inner.or(paint) {
                assert!(ids.contains(id), "{id}");
            }
            if a.name() == "aria-labelledby" {
                assert!(a.value().split(' ').all(|id| ids.contains(id)));
            }
        }
    }
    assert!(ids.contains("results") && ids.contains("results-2") && ids.contains("one"));
}

#[test]
fn the_warning_is_the_first_line() {
    let html = report().to_html().unwrap();
    let doc = parse(body(&html));
    let first = doc
        .root_element()
        .children()
        .find(Node::is_element)
        .unwrap();
    assert_eq!(first.attribute("class"), Some("warning"));
    assert_eq!(text(first), "Warning. This profile cannot judge the claim.");
    let verdicts: Vec<String> = doc
        .descendants()
        .filter(|n| n.attribute("class") == Some("verdict undecided"))
        .map(text)
        .collect();
    assert_eq!(verdicts.len(), 1);
    assert!(
        verdicts[0].ends_with("? undecidedThe numbers say nothing."),
        "{verdicts:?}"
    );
}

#[test]
fn tables_hold_their_cells() {
    let html = report().to_html().unwrap();
    let doc = parse(body(&html));
    let table = doc.descendants().find(|n| n.has_tag_name("table")).unwrap();
    let rows: Vec<Vec<String>> = table
        .descendants()
        .filter(|n| n.has_tag_name("tr"))
        .map(|r| r.children().map(text).collect())
        .collect();
    assert_eq!(rows[0], ["variant", "top-1 %", "v"]);
    assert_eq!(rows[1][1], "81.47 ± 0.50");
    // Differences 1.0, 1.2, 1.5: mean 1.2333, sd 0.2517, t(2) = 4.3027.
    assert_eq!(rows[1][2], "✓ supported");
    assert_eq!(rows[2], ["b", "+0.61 to +1.86", "–"]);
}

#[test]
fn mistakes_are_errors() {
    let twice = Report::new("x").section(Section::new("a").figures([cells("f"), cells("f")]));
    assert!(matches!(twice.to_html(), Err(Error::Identifier(id)) if id == "f"));
    let short = Table::new("t")
        .columns([Column::text("a"), Column::text("b")])
        .row([Cell::none()]);
    let short = Report::new("x").section(Section::new("a").table(short));
    assert!(matches!(
        short.to_html(),
        Err(Error::Cells {
            row: 0,
            got: 1,
            want: 2,
            ..
        })
    ));
    let away = Section::new("a").files([("x", "https://example.org")]);
    let away = Report::new("x").section(away);
    assert!(matches!(away.to_html(), Err(Error::Link(_))));
}
