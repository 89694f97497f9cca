//! Data that cannot be drawn, and any data at all.

use proptest::prelude::*;
use roxmltree::Document;

use super::samples::{heat_map, interval_plot};
use crate::csv::Reader;
use crate::error::{Error, FigureProblem, Result};
use crate::figure::{Axis, Figure, HeatMap, LineChart, Panel, Series, SmallMultiples};

fn problem(drawn: Result<Figure>) -> FigureProblem {
    match drawn {
        Err(Error::Figure { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_drawn_is_an_error() {
    use FigureProblem as P;
    let chart = || LineChart::new("a", "a");
    let series = |points| Series::new("s", points);
    assert_eq!(problem(chart().draw()), P::Nothing("series"));
    assert_eq!(
        problem(chart().series(series(vec![])).draw()),
        P::Empty("s".into())
    );
    for bad in [f64::NAN, f64::INFINITY] {
        let drawn = chart().series(series(vec![(0.0, 1.0), (1.0, bad)])).draw();
        assert!(matches!(problem(drawn), P::NotFinite { index: 1, .. }));
    }
    let one = || series(vec![(0.0, 1.0)]);
    let twice = chart().series(one()).series(one()).draw();
    assert_eq!(problem(twice), P::Duplicate("s".into()));
    let band = chart().series(one().band(vec![])).draw();
    assert!(matches!(
        problem(band),
        P::Length {
            got: 0,
            want: 1,
            ..
        }
    ));
    let band = chart().series(one().band(vec![(2.0, 1.0)])).draw();
    assert!(matches!(problem(band), P::Reversed { .. }));
    let log = chart()
        .y(Axis::new("l").logarithmic())
        .series(series(vec![(0.0, 0.0)]))
        .draw();
    assert!(matches!(problem(log), P::NotPositive { .. }));
    let wide = chart()
        .series(series(vec![(0.0, f64::MAX), (1.0, f64::MIN)]))
        .draw();
    assert!(matches!(problem(wide), P::Range { .. }));
    for id in ["", "Upper", "1st", "a b", "a\"b"] {
        assert_eq!(
            problem(LineChart::new(id, "a").series(one()).draw()),
            P::Identifier
        );
    }
    let names: Vec<String> = (0..9).map(|i| i.to_string()).collect();
    let nine = names
        .iter()
        .fold(chart(), |c, n| c.series(Series::new(n, vec![(0.0, 1.0)])));
    assert!(matches!(
        problem(nine.draw()),
        P::TooMany { got: 9, most: 8 }
    ));

    let beyond = heat_map(2, 3, |_, _| Some(1.0)).path("p", vec![(0, 0), (2, 0)]);
    assert!(matches!(problem(beyond.draw()), P::Length { got: 3, .. }));
    let panels = SmallMultiples::new("p", "p");
    assert_eq!(problem(panels.clone().draw()), P::Nothing("panels"));
    assert_eq!(
        problem(panels.panel(Panel::new("x")).draw()),
        P::Empty("x".into())
    );
    assert_eq!(problem(interval_plot(&[]).draw()), P::Nothing("rows"));
    let heat = heat_map(2, 2, |_, _| None);
    assert_eq!(problem(heat.clone().draw()), P::Empty("the grid".into()));
    let ragged = heat.values(Axis::new("v"), vec![vec![Some(1.0)], vec![]]);
    assert!(matches!(problem(ragged.draw()), P::Length { .. }));
}

/// Values at x = 0, 1, 2...
fn over_index(label: &str, values: &[f64]) -> Series {
    let points = values.iter().enumerate().map(|(i, &v)| (i as f64, v));
    Series::new(label, points.collect())
}

proptest! {
    #[test]
    fn any_data_is_drawn_well_formed_or_refused(
        title: String,
        label: String,
        ys in prop::collection::vec(any::<f64>(), 1..6),
        log: bool,
        whole: bool,
    ) {
        let mut y = Axis::new(&label).unit(&title);
        if log { y = y.logarithmic(); }
        if whole { y = y.whole(); }
        let series = over_index(&label, &ys);
        let names = (0..ys.len()).map(|i| format!("{label}{i}")).collect();
        let drawn = [
            LineChart::new("a", &title).y(y.clone()).series(series.clone()).draw(),
            SmallMultiples::new("a", &title).y(y.clone())
                .panel(Panel::new(&title).series(series)).draw(),
            HeatMap::new("a", &title).rows(&title, vec![label.clone()]).columns(&label, names)
                .values(y, vec![ys.into_iter().map(Some).collect()]).draw(),
        ];
        for figure in drawn.into_iter().flatten() {
            prop_assert!(Document::parse(&figure.inline()).is_ok());
            prop_assert!(Document::parse(&figure.standalone()).is_ok());
            prop_assert!(Reader::parse(&figure.csv).is_ok());
        }
    }

    #[test]
    fn ordinary_data_is_always_drawn(
        ys in prop::collection::vec(-1e6..1e6f64, 1..30), scale in 1e-9..1e3f64,
    ) {
        let ys: Vec<f64> = ys.iter().map(|y| y * scale).collect();
        let figure = LineChart::new("a", "a").series(over_index("s", &ys)).draw();
        prop_assert!(figure.is_ok(), "{figure:?}");
    }
}
