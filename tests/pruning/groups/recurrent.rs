//! Hidden units of recurrent layers: one group for all their gates and states.

use super::groups;
use crate::zoo::recurrent;

#[test]
fn every_gate_has_the_same_units() {
    let expected = ["cell.W ffn 8: cell.W@1x4 cell.R@1x4 cell.R@2 cell.B@1x8 head.weight@1"];
    assert_eq!(groups(recurrent::lstm()), expected);
    let expected = ["cell.W ffn 8: cell.W@1x3 cell.R@1x3 cell.R@2 cell.B@1x6 head.weight@1"];
    assert_eq!(groups(recurrent::gru()), expected);
    assert_eq!(groups(recurrent::batch_first()), expected);
    let expected = ["cell.W ffn 8: cell.W@1 cell.R@1 cell.R@2 cell.B@1x2 head.weight@1"];
    assert_eq!(groups(recurrent::rnn()), expected);
}

#[test]
fn both_directions_have_the_same_units() {
    let expected = [
        "first.W ffn 8: first.W@1x4 first.R@1x4 first.R@2 first.B@1x8 second.W@2x2",
        "second.W ffn 8: second.W@1x4 second.R@1x4 second.R@2 second.B@1x8 head.weight@1x2",
    ];
    assert_eq!(groups(recurrent::stacked_bidirectional()), expected);
    let expected = ["cell.W ffn 8: cell.W@1x3 cell.R@1x3 cell.R@2 cell.B@1x6 head.weight@1x2"];
    assert_eq!(groups(recurrent::both_last_states()), expected);
}

#[test]
fn states_are_made_of_units() {
    let expected = [
        "encoder.W ffn 8: encoder.W@1x4 encoder.R@1x4 encoder.R@2 encoder.B@1x8 decoder.W@1x4 decoder.R@1x4 decoder.R@2 decoder.B@1x8 head.weight@1",
    ];
    assert_eq!(groups(recurrent::states_handed_on()), expected);
    let expected =
        ["cell.W ffn 8: cell.W@1x4 cell.R@1x4 cell.R@2 cell.B@1x8 cell.h@2 cell.c@2 cell.P@1x3 head.weight@1"];
    assert_eq!(groups(recurrent::all_optional()), expected);
}
