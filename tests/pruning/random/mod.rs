//! Random networks, pruned at random: masked equals removed, whatever they are made of.
//!
//! A few run with the other tests, the same every time. `PROPTEST_CASES=10000 cargo test --test pruning random` runs
//! that many new ones; with `RANDOM_SEED=1` the same new ones each time.

mod attention;
mod branches;
mod check;
mod control;
mod fused;
mod images;
mod network;
mod recurrent;
mod tokens;
mod weights;

use crate::common;
use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

#[test]
fn masked_equals_removed() {
    let cases: Option<u32> = variable("PROPTEST_CASES");
    let rng_seed = match (cases, variable("RANDOM_SEED")) {
        (_, Some(seed)) => RngSeed::Fixed(seed),
        (Some(_), None) => RngSeed::Random,
        (None, None) => RngSeed::Fixed(7),
    };
    let config = ProptestConfig {
        cases: cases.unwrap_or(48),
        failure_persistence: None,
        max_shrink_iters: 400,
        max_global_rejects: u32::MAX,
        rng_seed,
        ..Default::default()
    };
    let networks = (proptest::collection::vec(any::<u16>(), 8..96), any::<u16>(), 0.1..0.8f64, any::<u64>());
    let mut seen = [0; 4];
    let [all, changed, verified, by_both] = Cell::from_mut(&mut seen[..]).as_slice_of_cells() else { panic!() };
    TestRunner::new(config)
        .run(&networks, |(dice, how, ratio, seed)| {
            let found = check::check(&dice, how, ratio, seed)?;
            all.set(all.get() + 1);
            if all.get() % 100 == 0 {
                eprintln!("{} networks", all.get());
            }
            changed.set(changed.get() + i32::from(found.changed));
            verified.set(verified.get() + i32::from(found.verified > 0));
            by_both.set(by_both.get() + i32::from(found.verified > 1));
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    let (all, changed, verified, by_both) = (all.get(), changed.get(), verified.get(), by_both.get());
    println!("{all} networks: {verified} verified, {by_both} of them by two runtimes; {changed} changed");
    // Where removing changes nothing at all, that it equals masking says nothing.
    assert!(changed * 10 >= all * 9, "{changed} of {all}");
    assert!(verified * 10 >= all * 9, "{verified} of {all}");
}

/// The network that a failure names: `RANDOM_CASE='0,55259,0 15331 0.3 42'`, with the lists as they are printed,
/// without brackets. `RANDOM_FILE` is where its model goes.
#[test]
#[ignore = "for looking at one network"]
fn one_network() {
    let Some(case) = variable::<String>("RANDOM_CASE") else { return };
    let [dice, how, ratio, seed] = case.split_whitespace().collect::<Vec<_>>()[..] else { panic!("four parts") };
    let dice: Vec<u16> = dice.split(',').filter_map(|d| d.parse().ok()).collect();
    let seed = seed.parse().unwrap();
    if let Some(path) = variable::<String>("RANDOM_FILE") {
        std::fs::write(path, common::bytes(&network::network(&dice, seed))).unwrap();
    }
    check::check(&dice, how.parse().unwrap(), ratio.parse().unwrap(), seed).unwrap();
}
