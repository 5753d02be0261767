//! Recurrent layers.

use super::network::{Network, Tokens};
use crate::common::builder::*;

impl Network<'_> {
    /// A layer that goes over the tokens, one way or both.
    pub fn recurrent(&mut self, t: &Tokens) -> Tokens {
        let (op, gates) = self.dice.one_of(&[("LSTM", 4), ("GRU", 3), ("RNN", 1)]);
        let (hidden, ways) = (self.dice.one_of(&[6, 4, 8]), self.dice.one_of(&[1, 2]));
        let (name, width) = (self.name("cell"), ways * hidden);
        let w = self.weight(&format!("{name}.W"), &[ways, gates * hidden, t.width]);
        let r = self.weight(&format!("{name}.R"), &[ways, gates * hidden, hidden]);
        let bias = self.dice.below(3);
        let bias = (bias < 2).then(|| self.weight(&format!("{name}.B"), &[ways, 2 * gates * hidden]));
        let x = self.b.transpose(&t.name, &[1, 0, 2]);
        let inputs: Vec<&str> = [x.as_str(), &w, &r].into_iter().chain(bias.as_deref()).collect();
        let direction = match ways {
            2 => "bidirectional",
            _ => self.dice.one_of(&["forward", "reverse"]),
        };
        let mut attrs = vec![("hidden_size", A::I(hidden)), ("direction", A::S(direction))];
        if op == "GRU" {
            attrs.push(("linear_before_reset", A::I(self.dice.below(2) as i64)));
        }
        let out = self.b.ops(op, &inputs, attrs, 2);
        if self.dice.rarely(3) {
            // The last states go to every token.
            let s = self.b.transpose(&out[1], &[1, 0, 2]);
            let s = self.b.reshape(&s, &[-1, 1, width]);
            let y = self.linear(t, width);
            return y.like(self.b.add(&y.name, &s));
        }
        let name = match self.dice.below(2) {
            0 if ways == 1 => {
                let y = self.b.squeeze(&out[0], &[1]);
                self.b.transpose(&y, &[1, 0, 2])
            }
            _ => {
                let y = self.b.transpose(&out[0], &[2, 0, 1, 3]);
                self.b.reshape(&y, &[-1, t.count, width])
            }
        };
        Tokens { name, count: t.count, width }
    }
}
