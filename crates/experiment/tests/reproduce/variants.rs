//! What the four variants leave out: the teacher's decisions, features alone, and pairs of layers that a strategy
//! chooses by what it measures.

use crate::disk;
use crate::four_variants::{EXPERIMENT, PAIRS, first_step};
use crate::pins::{self, Found};
use crate::schema::{Loss, Pairs, Written};
use crate::workplace::{Workplace, run_folder};

#[test]
fn hard_labels_and_features_alone_come_to_the_pinned_numbers() {
    let experiment = Written {
        seeds: &[0],
        variants: &[("hard", Loss::Hard), ("features", Loss::FeaturesOnly)],
        compared: false,
        ..EXPERIMENT
    };
    let workplace = Workplace::new();
    let (_, out) = workplace.run("other", &experiment.toml());
    let mut found = Found::new();
    for name in ["hard", "features"] {
        first_step(&mut found, name, 0, &run_folder(&out, name, 0));
    }
    pins::check(&found, include_str!("pins/other_variants.txt"), 1e-5);
}

#[test]
fn measured_pairs_are_kept_and_trained_on() {
    let workplace = Workplace::new();
    let mut scores = Found::new();
    for (strategy, pairs) in [
        ("cka", [(0, 1), (1, 2)]),
        ("intensity", [(1, 3), (2, 4)]),
        ("monotone", [(1, 0), (2, 1)]),
    ] {
        let run = |name: &str, pairs| {
            let experiment = Written {
                seeds: &[1],
                variants: &[("spectral", Loss::Spectral)],
                pairs,
                compared: false,
                ..EXPERIMENT
            };
            workplace.run(name, &experiment.toml()).1
        };
        let chosen = run(strategy, Pairs::Chosen { strategy, count: 2 });
        let choice = disk::json(&chosen.join("pairs/choice.json"));
        assert_eq!(choice["strategy"], strategy);
        let kept: Vec<(usize, usize)> = serde_json::from_value(choice["pairs"].clone()).unwrap();
        assert_eq!(kept, pairs, "{strategy}: {choice}");
        assert_ne!(kept, PAIRS[..2]);
        for (s, t) in kept {
            let score = choice["matrix"][s][t].as_f64().unwrap();
            scores.insert(format!("{strategy} {s} {t}"), score);
        }
        let page = disk::text(&chosen.join("report.html"));
        assert!(page.contains(&format!("<figure id=\"pairs-{strategy}\"")));

        let listed = run(&format!("{strategy}-listed"), Pairs::Listed(&pairs));
        assert!(!listed.join("pairs").exists());
        for kind in ["step", "epoch"] {
            let records = |out| {
                let events = disk::events(&run_folder(out, "spectral", 1), kind);
                events.into_iter().map(disk::timeless).collect::<Vec<_>>()
            };
            assert_eq!(records(&chosen), records(&listed), "{strategy}");
        }
    }
    pins::check(&scores, include_str!("pins/scores.txt"), 1e-4);
}
