//! Three-channel cases with scores computed by hand.

use super::*;
use crate::statistics::{ERRORS, GroupStatistics, RANKS, SHARES, VARIANCES};

/// Group 0: rows of W [3, 2, 2] and γ; group 1: the two columns of W.
fn parts() -> (Vec<Weight>, Vec<GroupItems>) {
    #[rustfmt::skip]
    let w = weight("w", &[3, 2, 2], &[
        1.0, 0.0,   0.0, -1.0,
        3.0, 0.0,   0.0, -1.0,
        1.0, 2.0,   2.0, -1.0,
    ]);
    let gamma = weight("gamma", &[3], &[0.5, -2.0, 1.0]);
    let bias = weight("bias", &[3], &[100.0, 100.0, 100.0]);
    let groups = vec![
        group(
            "out",
            3,
            vec![
                item(1, 0, ItemRole::BatchNorm, &[0, 1, 2]),
                item(0, 0, ItemRole::Out, &[0, 1, 2]),
                item(2, 0, ItemRole::Carried, &[0, 1, 2]),
            ],
        ),
        group("in", 2, vec![item(0, 1, ItemRole::In, &[0, 1])]),
    ];
    (vec![w, gamma, bias], groups)
}

fn board(criterion: &'static dyn Criterion, options: ScoreOptions) -> Scoreboard {
    let (weights, groups) = parts();
    Scoreboard::new(criterion, weights, groups, options).unwrap()
}

fn close(scores: &[f64], expected: &[f64]) {
    assert_eq!(scores.len(), expected.len());
    for (s, e) in scores.iter().zip(expected) {
        assert!((s - e).abs() < 1e-6 || (s.is_nan() && e.is_nan()), "{scores:?} is not {expected:?}");
    }
}

#[test]
fn l1() {
    let mut b = board(&L1, RAW);
    close(b.scores(0), &[2.5 / 2.0, 6.0 / 2.0, 7.0 / 2.0]);
    close(b.scores(1), &[7.0, 5.0]);
    b.remove(1, &[1]);
    b.remove(0, &[2]);
    b.refresh();
    close(b.scores(0), &[1.5 / 2.0, 5.0 / 2.0, f64::NAN]);
    close(b.scores(1), &[4.0, f64::NAN]);
}

#[test]
fn l2() {
    let mut b = board(&L2, RAW);
    close(b.scores(0), &[2.25 / 2.0, 14.0 / 2.0, 11.0 / 2.0]);
    close(b.scores(1), &[15.0, 7.0]);
    b.remove(1, &[0]);
    b.refresh();
    close(b.scores(0), &[1.25 / 2.0, 5.0 / 2.0, 6.0 / 2.0]);
    let b = board(&L2, ScoreOptions { normalization: Normalization::Mean, ..RAW });
    close(b.scores(1), &[15.0 / 11.0, 7.0 / 11.0]);
}

#[test]
fn reductions() {
    let with = |reduction| board(&L2, ScoreOptions { reduction, ..RAW }).scores(0).to_vec();
    close(&with(Reduction::Sum), &[2.25, 14.0, 11.0]);
    close(&with(Reduction::Max), &[2.0, 10.0, 10.0]);
    close(&with(Reduction::Prod), &[0.5, 40.0, 10.0]);
    close(&with(Reduction::First), &[2.0, 10.0, 10.0]);
}

#[test]
fn lamp() {
    // Energies 1.125, 7, 5.5.
    let b = board(&Lamp, RAW);
    close(b.scores(0), &[1.125 / 13.625, 1.0, 5.5 / 12.5]);
}

#[test]
fn fpgm() {
    let mut b = board(&Fpgm, RAW);
    // Distances: 0–1 is 2, 0–2 is √8, 1–2 is √12.
    let (a, c) = (8f64.sqrt(), 12f64.sqrt());
    close(b.scores(0), &[2.0 + a, 2.0 + c, a + c]);
    b.remove(0, &[1]);
    b.refresh();
    close(b.scores(0), &[a, f64::NAN, a]);
    b.remove(1, &[0]);
    b.refresh();
    close(b.scores(0), &[2.0, f64::NAN, 2.0]);
    // Group 1 is produced by nothing: l2 of its input columns, of rows 0 and 2.
    close(b.scores(1), &[f64::NAN, 6.0]);
    assert_eq!(b.notes().len(), 1);
    assert!(b.notes()[0].contains("'in'"), "{:?}", b.notes());
}

#[test]
fn fpgm_concatenates_the_positions_of_a_channel() {
    let w = weight("w", &[6, 1], &[1.0, 2.0, 4.0, 6.0, 1.0, 2.0]);
    let groups = vec![group("g", 3, vec![item(0, 0, ItemRole::Out, &[0, 0, 1, 1, 2, 2])])];
    let b = Scoreboard::new(&Fpgm, vec![w], groups, RAW).unwrap();
    close(b.scores(0), &[5.0, 10.0, 5.0]);
}

#[test]
fn bnscale() {
    let b = board(&BnScale, RAW);
    close(b.scores(0), &[0.5, 2.0, 1.0]);
    // Group 1 has no batch normalisation: l2.
    close(b.scores(1), &[15.0, 7.0]);
    assert_eq!(b.notes().len(), 1);

    let (weights, mut groups) = parts();
    groups[0].items.remove(0);
    let error = Scoreboard::new(&BnScale, weights, groups, RAW).err().unwrap();
    assert_eq!(error, Error::NoBatchNorm);
    assert!(error.to_string().contains("TrainingMode.PRESERVE"));
}

#[test]
fn random_is_stable() {
    let mut b = board(&Random, RAW);
    let before = b.scores(0).to_vec();
    assert!(before.iter().all(|s| (0.0..1.0).contains(s)));
    b.remove(0, &[0]);
    b.refresh();
    assert_eq!(b.scores(0)[1..], before[1..]);
    // The order of groups does not matter, the seed does.
    let (weights, mut groups) = parts();
    groups.reverse();
    let b = Scoreboard::new(&Random, weights, groups, RAW).unwrap();
    assert_eq!(b.scores(1), before);
    assert_ne!(board(&Random, ScoreOptions { seed: 1, ..RAW }).scores(0), before);
}

#[test]
fn a_group_of_carried_items_scores_zero() {
    let groups = vec![group("g", 2, vec![item(0, 0, ItemRole::Carried, &[0, 1])])];
    let b = Scoreboard::new(&L2, vec![weight("b", &[2], &[1.0, 2.0])], groups, ScoreOptions::default()).unwrap();
    assert_eq!(b.scores(0), [0.0, 0.0]);
    assert_eq!(b.notes().len(), 1);
}

#[test]
fn values_that_are_not_finite_are_refused_where_they_are_read() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for c in criteria().iter().filter(|c| c.needs().contains(Needs::WEIGHTS)) {
            let weights =
                vec![weight("fine", &[2], &[1.0, 2.0]), weight("bad", &[2, 3], &[1.0, 2.0, 3.0, 4.0, bad, 6.0])];
            let items = vec![item(0, 0, ItemRole::BatchNorm, &[0, 1]), item(1, 0, ItemRole::Out, &[0, 1])];
            let groups = vec![group("g", 2, items)];
            let result = Scoreboard::new(*c, weights, groups, RAW);
            match c.name() {
                "bnscale" => assert!(result.is_ok()),
                _ => assert_eq!(result.err(), Some(Error::NonFinite { weight: "bad".to_string() })),
            }
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let new = |shape: &[usize], item: ScoredItem| {
        Scoreboard::new(&L2, vec![weight("w", shape, &[1.0; 6])], vec![group("g", 3, vec![item])], RAW).err()
    };
    assert!(matches!(new(&[2, 2], item(0, 0, ItemRole::Out, &[0, 1])), Some(Error::Shape { .. })));
    assert!(matches!(new(&[usize::MAX, 3], item(0, 0, ItemRole::Out, &[])), Some(Error::Shape { .. })));
    assert!(matches!(new(&[2, 3], item(1, 0, ItemRole::Out, &[0, 1])), Some(Error::Item { .. })));
    assert!(matches!(new(&[2, 3], item(0, 2, ItemRole::Out, &[0, 1])), Some(Error::Item { .. })));
    assert!(matches!(new(&[2, 3], item(0, 0, ItemRole::Out, &[0, 1, 2])), Some(Error::Item { .. })));
    assert!(matches!(new(&[2, 3], item(0, 0, ItemRole::Out, &[0, 3])), Some(Error::Item { .. })));
    assert!(new(&[2, 3], item(0, 0, ItemRole::Out, &[0, NOT_MINE])).is_none());
}

#[test]
fn removing_what_is_not_there_does_nothing() {
    let mut b = board(&L2, RAW);
    b.remove(7, &[0]);
    b.remove(0, &[9, 1, 1]);
    b.refresh();
    b.remove(0, &[1]);
    b.refresh();
    close(b.scores(0), &[2.25 / 2.0, f64::NAN, 11.0 / 2.0]);
    assert!(b.scores(7).is_empty());
    b.remove(0, &[0, 2]);
    b.refresh();
    assert!(b.scores(0).iter().all(|s| s.is_nan()));
    close(b.scores(1), &[0.0, 0.0]);
}

/// One group of four channels with statistics, and a weight that orders equals.
fn with_statistics(criterion: &'static dyn Criterion, statistics: GroupStatistics) -> Result<Scoreboard, Error> {
    let w = weight("w", &[4, 1], &[4.0, 3.0, 2.0, 1.0]);
    let mut g = group("g", 4, vec![item(0, 0, ItemRole::Out, &[0, 1, 2, 3])]);
    g.statistics = statistics;
    Scoreboard::new(criterion, vec![w], vec![g], RAW)
}

/// Z = (1, 0), (1, 1), (0, 2), (−1, −1): the second and the last cancel.
fn shares() -> GroupStatistics {
    #[rustfmt::skip]
    let gram = vec![
        1.0, 1.0, 0.0, -1.0,
        1.0, 2.0, 2.0, -2.0,
        0.0, 2.0, 4.0, -2.0,
        -1.0, -2.0, -2.0, 2.0,
    ];
    GroupStatistics::default().with(SHARES, gram)
}

#[test]
fn thinet() {
    // First the shortest; then the last, which takes it to (0, −1); then the second, back to (1, 0).
    let mut b = with_statistics(&ThiNet, shares()).unwrap();
    close(b.scores(0), &[1.0, 3.0, 4.0, 2.0]);
    b.remove(0, &[0]);
    b.refresh();
    close(b.scores(0), &[f64::NAN, 3.0, 4.0, 2.0]);
    assert!(b.notes().is_empty());
}

#[test]
fn cp() {
    // Y = (1, 2), targets (1, 3, 4, −3): the third enters at 2·4. With it at β, the residual (1, 2 − 2β) has products
    // 1, 3 − 2β, 4 − 4β = μ, 2β − 3: the second meets μ at β = 1/2, μ = 2. Y is then in their span: with
    // α = 2 − 2β' of the second, all that is left is a multiple of both, and the first's product meets μ at 0 only.
    let b = with_statistics(&Cp, shares()).unwrap();
    let s = b.scores(0);
    assert!((s[2] - 8.0).abs() < 1e-9 && (s[1] - 4.0).abs() < 1e-9, "{s:?}");
    // The last is the second's opposite and adds nothing.
    assert!(s[3] == 0.0 && s[0] < 4.0, "{s:?}");
}

#[test]
fn hrank() {
    let statistics = GroupStatistics::default().with(RANKS, vec![2.0, 3.5, 2.0, 8.0]);
    let b = with_statistics(&HRank, statistics).unwrap();
    let s = b.scores(0);
    // Equal ranks go by weight, and stay below what is above them.
    assert!(s[2] < s[0] && s[0] < 2.01 && s[0] >= 2.0, "{s:?}");
    assert!((s[1] - 3.5).abs() < 0.01 && (s[3] - 8.0).abs() < 0.01, "{s:?}");
}

#[test]
fn errors_and_variances_are_taken_as_they_are() {
    let statistics = GroupStatistics::default().with(ERRORS, vec![0.1, 0.4, 0.0, 1.0]);
    let statistics = statistics.with(VARIANCES, vec![3.0, 1.0, 2.0, 0.0]);
    close(with_statistics(&Obs, statistics.clone()).unwrap().scores(0), &[0.1, 0.4, 0.0, 1.0]);
    close(with_statistics(&Variance, statistics).unwrap().scores(0), &[3.0, 1.0, 2.0, 0.0]);
}

#[test]
fn without_statistics_weights_decide_and_the_notes_say_so() {
    for c in criteria().iter().filter(|c| c.needs().contains(Needs::ACTIVATIONS)) {
        let b = with_statistics(*c, GroupStatistics::default()).unwrap();
        close(b.scores(0), &[16.0, 9.0, 4.0, 1.0]);
        assert!(b.notes()[0].contains(c.name()) && b.notes()[0].contains("l2"), "{:?}", b.notes());
    }
}
