//! Tests of the whole floor: by hand, against a naive implementation, across thread counts.

mod against_naive;
mod by_hand;
mod naive;
mod terms;

use bytes::Bytes;

use super::*;

/// A weight whose bytes lie at an odd address, as in a mapped file.
fn weight(name: &str, shape: &[usize], values: &[f32]) -> Weight {
    let data = WeightData::Bytes(mapped(values.iter().map(|v| v.to_le_bytes())));
    Weight { name: name.to_string(), shape: shape.to_vec(), data, ..Weight::default() }
}

fn mapped<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> Bytes {
    Bytes::from_iter(std::iter::once(0u8).chain(values.flatten())).slice(1..)
}

fn item(weight: usize, axis: usize, role: ItemRole, channel: &[u32]) -> ScoredItem {
    ScoredItem { weight, axis, role, channel: channel.to_vec() }
}

fn group(name: &str, channels: usize, items: Vec<ScoredItem>) -> GroupItems {
    GroupItems { name: name.to_string(), channels, items, statistics: Default::default() }
}

/// Scores as they are, without normalisation.
const RAW: ScoreOptions = ScoreOptions { reduction: Reduction::Mean, normalization: Normalization::None, seed: 0 };

#[test]
fn manual_pages_have_all_headings() {
    for c in criteria() {
        let mut rest = c.manual();
        assert!(rest.len() > 200);
        for heading in HEADINGS {
            let at = rest.find(&format!("\n{heading}\n"));
            assert!(at.is_some(), "{}: no '{heading}' in its place", c.name());
            rest = &rest[at.unwrap_or(0)..];
        }
    }
}

#[test]
fn names_are_unique_and_found() {
    for c in criteria() {
        assert_eq!(criteria().iter().filter(|d| d.name() == c.name()).count(), 1);
        assert_eq!(find(c.name()).map(|f| f.name()).ok(), Some(c.name()));
    }
    let error = find("l3").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("'l3'") && error.contains("fpgm"), "{error}");
}
