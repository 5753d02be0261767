//! Every operator has a deliberate answer, and `docs/OPERATORS.md` says which.

use std::collections::BTreeMap;
use std::fmt::Write;

use onnx_prune::ops;

const LIST: &str = include_str!("../../schemas/onnx-operators.txt");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATORS.md");

const INTRO: &str = "\
# Operators

What becomes of each operator: the rule that says which of its axes are which, or why all of them are frozen. An
operator that is not listed here is frozen too, and the report names it. *Since* is the operator set that first had
it; *until* the one that took it away. *MACs* says whether its multiplications are counted: *no* is much to compute
that the figures leave out and the report names, as it does operators that are not listed here; of the others there is
nothing to count. *Gradient* says whether there is a rule for it, whether it is zero, and why, or whether it is missing.

Shapes and folded constants are held against the node tests of the onnx package (1.23.2, 1,884 tests) by
`tools/check_node_tests.py`: shapes of 1,215 are worked out and right, those of 372 are left to a run in part, 294 have
outputs that are no tensors, 3 are of operator sets before 7; of those that give small numbers 182 are folded, all right.

This page is written by `UPDATE_DOCS=1 cargo test --test model`.
";

/// Operators of the newest release: since when, and until when, if they are gone.
fn released() -> BTreeMap<&'static str, (u32, Option<u32>)> {
    let line = |l: &'static str| {
        let mut words = l.split(' ');
        let (name, since) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        (name, (since, words.nth(1).map(|w| w.parse().unwrap())))
    };
    LIST.lines().filter(|l| !l.starts_with('#')).map(line).collect()
}

fn answer(domain: &str, name: &str) -> String {
    let op = ops::find(domain, name).unwrap().rule;
    match op.frozen() {
        Some(why) => format!("frozen: {why}"),
        None => op.about().to_owned(),
    }
}

fn counted(domain: &str, name: &str) -> &'static str {
    match ops::find(domain, name).unwrap().rule.work() {
        ops::Work::None => "",
        ops::Work::Counted => "counted",
        ops::Work::Uncounted => "no",
    }
}

fn gradient(domain: &str, name: &str) -> String {
    match ops::find(domain, name).unwrap().gradient {
        ops::Gradient::Rule(_) => "rule".to_owned(),
        ops::Gradient::Zero(why) => format!("zero: {why}"),
        ops::Gradient::Missing => "missing".to_owned(),
    }
}

fn page() -> String {
    let released = released();
    let mut out = INTRO.to_owned();
    let domains: BTreeMap<&str, Vec<&str>> = ops::all().fold(BTreeMap::new(), |mut all, (domain, d)| {
        all.entry(domain).or_default().push(d.name);
        all
    });
    for (domain, names) in domains {
        let own = domain.is_empty();
        let (title, head, rule) = match own {
            true => ("ai.onnx", "| operator | since | MACs | gradient | answer |", "| --- | --- | --- | --- | --- |"),
            false => (domain, "| operator | MACs | gradient | answer |", "| --- | --- | --- | --- |"),
        };
        write!(out, "\n## {title}\n\n{head}\n{rule}\n").unwrap();
        for name in names {
            let (counted, gradient, answer) = (counted(domain, name), gradient(domain, name), answer(domain, name));
            let answer = format!("{counted} | {gradient} | {answer}");
            match released.get(name).filter(|_| own) {
                Some((since, Some(until))) => writeln!(out, "| {name} | {since}, until {until} | {answer} |"),
                Some((since, None)) => writeln!(out, "| {name} | {since} | {answer} |"),
                None if own => writeln!(out, "| {name} | in no release | {answer} |"),
                None => writeln!(out, "| {name} | {answer} |"),
            }
            .unwrap();
        }
    }
    out
}

#[test]
fn every_operator_has_an_answer() {
    let known: Vec<(&str, &str)> = ops::all().map(|(domain, d)| (domain, d.name)).collect();
    let missing: Vec<&str> = released().into_keys().filter(|name| !known.contains(&("", name))).collect();
    assert!(missing.is_empty(), "no line in the table for {missing:?}");
    for (domain, name) in known {
        let text = answer(domain, name);
        assert!(text.len() > "frozen: ".len(), "{domain} {name} says nothing");
    }
}

#[test]
fn the_page_is_current() {
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(there == page, "docs/OPERATORS.md is out of date: UPDATE_DOCS=1 cargo test --test model");
}
