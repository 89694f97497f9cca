//! Layer pairs chosen from scores, and what is saved of a choice.

use spectralkd_evaluation::Error;
use spectralkd_evaluation::pairs::{Choice, PairsProblem, Score, Scores, Strategy, choose};
use spectralkd_report::csv::Reader;

/// A student of three layers and a teacher of four.
fn scores() -> Scores {
    Scores {
        student_layers: vec![0, 2, 5],
        teacher_layers: vec![1, 3, 4, 9],
        intensities: Some((vec![0.5, 0.1, 0.9], vec![7.0, 2.0, 1.0, 9.0])),
        cka: Some(vec![
            vec![Some(0.1), Some(0.2), Some(0.9), Some(0.7)],
            vec![Some(0.7), Some(0.1), Some(0.8), Some(0.1)],
            vec![Some(0.1), Some(0.2), Some(0.3), None],
        ]),
        spectrum_distance: Some(vec![
            vec![9.0, 1.0, 9.0, 9.0],
            vec![0.5, 9.0, 4.0, 9.0],
            vec![9.0, 0.1, 9.0, 2.0],
        ]),
    }
}

fn pairs(strategy: Strategy, count: usize) -> Vec<(usize, usize)> {
    choose(strategy, count, &scores()).unwrap().pairs
}

fn problem(strategy: Strategy, count: usize, scores: &Scores) -> PairsProblem {
    match choose(strategy, count, scores) {
        Err(Error::Pairs { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_papers_recipes() {
    let choice = choose(Strategy::Paper, 8, &Scores::of_depths(12, 24)).unwrap();
    let (student, teacher): (Vec<usize>, Vec<usize>) = choice.pairs.iter().copied().unzip();
    assert_eq!(student, [0, 1, 6, 7, 8, 9, 10, 11]);
    assert_eq!(teacher, [0, 1, 18, 19, 20, 21, 22, 23]);
    let stages = choose(Strategy::Paper, 4, &Scores::of_depths(4, 4)).unwrap();
    assert_eq!(stages.pairs, [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

#[test]
fn strategies_give_indices_of_layers() {
    assert_eq!(pairs(Strategy::Paper, 2), [(0, 1), (5, 9)]);
    assert_eq!(pairs(Strategy::Intensity, 2), [(0, 1), (5, 9)]);
    assert_eq!(pairs(Strategy::Intensity, 1), [(5, 9)]);
    // 0.9 + 0.7; the pair 5, 9 has no CKA.
    assert_eq!(pairs(Strategy::Cka, 2), [(0, 4), (2, 1)]);
    // The cheapest cells are out of order: 0.1 + 0.5 falls, 1 + 2 rises.
    assert_eq!(pairs(Strategy::Monotone, 1), [(5, 3)]);
    assert_eq!(pairs(Strategy::Monotone, 2), [(2, 1), (5, 3)]);
    assert_eq!(pairs(Strategy::Monotone, 3), [(0, 3), (2, 4), (5, 9)]);
}

#[test]
fn impossible_counts_are_errors() {
    for strategy in Strategy::ALL {
        assert_eq!(problem(strategy, 0, &scores()), PairsProblem::Nothing);
        let (model, layers) = ("student", 3);
        let many = PairsProblem::TooMany { model, layers };
        assert_eq!(problem(strategy, 4, &scores()), many);
    }
    let text = choose(Strategy::Paper, 9, &Scores::of_depths(12, 8))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("`paper` cannot choose 9") && text.contains("teacher has 8"),
        "{text}"
    );
}

#[test]
fn bad_scores_are_errors() {
    let bare = Scores::of_depths(3, 4);
    assert!(choose(Strategy::Paper, 2, &bare).is_ok());
    for strategy in [Strategy::Intensity, Strategy::Cka, Strategy::Monotone] {
        let missing = problem(strategy, 2, &bare);
        assert!(
            matches!(missing, PairsProblem::NotMeasured(_)),
            "{missing:?}"
        );
    }
    let with = |change: fn(&mut Scores)| {
        let mut scores = scores();
        change(&mut scores);
        problem(Strategy::Monotone, 2, &scores)
    };
    let order = with(|s| s.teacher_layers.swap(0, 1));
    assert!(matches!(
        order,
        PairsProblem::Order {
            model: "teacher",
            ..
        }
    ));
    let twice = with(|s| s.student_layers[1] = 0);
    assert!(matches!(
        twice,
        PairsProblem::Order {
            model: "student",
            ..
        }
    ));
    let short = with(|s| s.spectrum_distance.as_mut().unwrap()[2].truncate(3));
    assert!(matches!(
        short,
        PairsProblem::Shape {
            got: (3, 3),
            want: (3, 4),
            ..
        }
    ));
    let nan = with(|s| s.spectrum_distance.as_mut().unwrap()[1][2] = f64::NAN);
    assert!(matches!(nan, PairsProblem::NotFinite { at: (1, 2), .. }));
    let nan = with(|s| s.intensities.as_mut().unwrap().1[3] = f64::INFINITY);
    assert!(matches!(nan, PairsProblem::NotFinite { at: (0, 3), .. }));
    let mut dead = scores();
    dead.cka.as_mut().unwrap()[0] = vec![None; 4];
    assert!(choose(Strategy::Cka, 2, &dead).is_ok());
    assert_eq!(problem(Strategy::Cka, 3, &dead), PairsProblem::Undefined);
}

#[test]
fn a_choice_is_saved_whole() {
    let choice = choose(Strategy::Monotone, 2, &scores()).unwrap();
    assert_eq!(choice.score, Some(Score::SpectrumDistance));
    let read = Reader::parse(&choice.csv()).unwrap();
    assert_eq!(
        read.columns,
        [
            "student_layer",
            "teacher_layer",
            "measure",
            "score",
            "chosen"
        ]
    );
    assert_eq!(read.rows.len(), 12);
    assert_eq!(read.rows[4], ["2", "1", "spectrum_distance", "0.5", "1"]);
    assert_eq!(read.numbers("chosen").unwrap().iter().sum::<f64>(), 2.0);
    let bare = choose(Strategy::Paper, 2, &Scores::of_depths(2, 2)).unwrap();
    assert!(bare.csv().ends_with("\n1,1,,,1\n"));
}

#[test]
fn a_choice_is_drawn_with_its_path() {
    let axes = ("student block", "teacher block");
    let draw = |choice: &Choice| choice.figure(axes).unwrap();
    for strategy in Strategy::ALL {
        let figure = draw(&choose(strategy, 2, &scores()).unwrap()).unwrap();
        assert_eq!(figure.id, format!("pairs-{}", strategy.name()));
        assert!(figure.inline().contains("chosen pairs"));
        let path = Reader::parse(&figure.csv).unwrap();
        let path: Vec<&str> = path.texts("path").unwrap();
        assert_eq!(path.iter().filter(|p| !p.is_empty()).count(), 2);
    }
    let figure = draw(&choose(Strategy::Monotone, 2, &scores()).unwrap()).unwrap();
    assert!(figure.description().ends_with("chosen pairs: 2, 1; 5, 3."));
    let bare = choose(Strategy::Paper, 2, &Scores::of_depths(2, 2)).unwrap();
    assert_eq!(draw(&bare), None);
}
