//! What `report.html` is made of.

use std::path::Path;

use crate::disk::{self, Csv};
use crate::schema::WEIGHT;

/// The figures, in the page's order.
const FIGURES: [&str; 6] = [
    "differences",
    "accuracy",
    "gain",
    "trajectory",
    "intensity",
    "layers",
];

/// Headings, the table's rows, figures with their files, and the numbers that a reader looks for.
pub fn check(out: &Path) {
    let page = disk::text(&out.join("report.html"));
    assert_eq!(between(&page, "<h1>", "</h1>"), ["A net"]);
    assert_eq!(
        between(&page, "<h2>", "</h2>"),
        [
            "Results after the last epoch",
            "While training",
            "Spectra",
            "What this run can and cannot say",
            "Configuration and manifest",
        ]
    );
    assert_eq!(
        between(&page, "<summary>", "</summary>"),
        ["manifest.json", "config.toml, as resolved"]
    );
    assert_eq!(between(&page, "<p class=\"claim\">", "</p>").len(), 2);
    assert_eq!(
        between(&page, "<p class=\"claim\">", "</p>")[0],
        "The claim."
    );
    table(&page, out);

    assert_eq!(between(&page, "<figure id=\"", "\""), FIGURES);
    for figure in FIGURES {
        let svg = disk::text(&out.join(format!("figures/{figure}.svg")));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        let csv = disk::text(&out.join(format!("figures/{figure}.csv")));
        assert!(csv.lines().count() > 1, "{figure}");
    }
    for name in ["none", "logits", "spectral", "mse"] {
        for figure in ["accuracy", "trajectory", "layers"] {
            let csv = disk::text(&out.join(format!("figures/{figure}.csv")));
            assert!(
                csv.contains(&format!("label of {name}")),
                "{name} in {figure}"
            );
        }
    }
    let manifest = disk::json(&out.join("manifest.json"));
    let ratio = manifest["spectral_to_mse"].as_f64().unwrap();
    let matched = WEIGHT * ratio;
    assert!(page.contains(&format!("at weight {WEIGHT} × {ratio:.4} = {matched:.4}")));
    assert!(page.contains("trained on 60000 images, the students see 40"));
}

/// The one table, against `table.csv`.
fn table(page: &str, out: &Path) {
    let [table] = between(page, "<table", "</table>")[..] else {
        panic!("not one table");
    };
    let [body] = between(table, "<tbody>", "</tbody>")[..] else {
        panic!("not one body");
    };
    assert_eq!(between(table, "<th scope=\"col\"", "</th>").len(), 7);
    let csv = Csv::read(&out.join("table.csv"));
    let rows = between(body, "<tr>", "</tr>");
    assert_eq!(rows.len(), 5);
    for (i, (row, name)) in rows.into_iter().zip(csv.column("variant")).enumerate() {
        let label = match name {
            "floor" => "linear classifier on pixels".to_owned(),
            name => format!("label of {name}"),
        };
        assert_eq!(between(row, "<th scope=\"row\">", "</th>"), [label]);
        let cells = between(row, "<td", "</td>");
        assert_eq!(cells.len(), 6);
        assert!(cells[0].ends_with(">2"), "{row}");
        let mean = csv.numbers("top1_mean")[i].unwrap();
        assert!(cells[1].contains(&format!(">{mean:.2} ± ")), "{row}");
        let verdict = csv.column("verdict")[i];
        assert!(
            cells[5].contains(if verdict.is_empty() { "–" } else { verdict }),
            "{row}"
        );
    }
}

/// What stands between each `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts.map(|part| part.split(end).next().unwrap()).collect()
}
