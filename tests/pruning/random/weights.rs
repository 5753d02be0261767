//! Weights: how they are stored, computed from others, and shared.

use std::collections::VecDeque;

use onnx_prune::onnx::DType;

use super::network::{Dice, Network, Tokens};
use crate::common::builder::*;

/// The weights of a block that runs again: each with the dice after it.
#[derive(Default)]
pub enum Sharing<'a> {
    #[default]
    Off,
    Record(Vec<(String, Dice<'a>)>),
    Replay(VecDeque<(String, Dice<'a>)>),
}

impl<'a> Network<'a> {
    /// A weight; now and then one that another layer reads, or one behind nodes.
    pub fn weight(&mut self, name: &str, dims: &[i64]) -> String {
        if let Sharing::Replay(list) = &mut self.sharing
            && let Some((name, dice)) = list.pop_front()
        {
            self.dice = dice;
            return name;
        }
        let w = self.new_weight(name, dims);
        if let Sharing::Record(list) = &mut self.sharing {
            list.push((w.clone(), self.dice.clone()));
        }
        w
    }

    fn new_weight(&mut self, name: &str, dims: &[i64]) -> String {
        if self.dice.rarely(12)
            && let Some(name) = self.stored.get(dims)
        {
            return name.clone();
        }
        let mut w = self.b.weight(name, dims);
        if self.dice.rarely(24) {
            w = self.b.op("Identity", &[&w], vec![]);
        }
        if dims.len() > 1 && self.dice.rarely(10) {
            w = self.computed(&w, dims);
        }
        self.stored.insert(dims.to_vec(), w.clone());
        w
    }

    /// A weight that nodes make of the stored one.
    fn computed(&mut self, w: &str, dims: &[i64]) -> String {
        let first = || [&dims[..1], &vec![1; dims.len() - 1]].concat();
        match self.dice.below(6) {
            0 => {
                let s = self.b.scalar(0.7);
                self.b.mul(w, &s)
            }
            1 => {
                let name = self.name("gain");
                let s = self.scale(&name, &first());
                self.b.mul(w, &s)
            }
            2 => self.b.op("Tanh", &[w], vec![]),
            3 => {
                let wide = self.b.op("Cast", &[w], vec![("to", A::I(DType::Double as i64))]);
                self.b.op("Cast", &[&wide], vec![("to", A::I(DType::Float as i64))])
            }
            4 => {
                // Turned, and back.
                let back: Vec<i64> = (0..dims.len() as i64).rev().collect();
                let turned = self.b.transpose(w, &back);
                self.b.transpose(&turned, &back)
            }
            _ => {
                // g · v / |v|.
                let name = self.name("norm");
                let g = self.scale(&name, &first());
                let square = self.b.mul(w, w);
                let axes: Vec<i64> = (1..dims.len() as i64).collect();
                let axes = self.b.ints(&axes);
                let sum = self.b.op("ReduceSum", &[&square, &axes], vec![("keepdims", A::I(1))]);
                let norm = self.b.op("Sqrt", &[&sum], vec![]);
                let v = self.b.op("Div", &[w, &norm], vec![]);
                self.b.mul(&v, &g)
            }
        }
    }

    /// A block with one set of weights, run on each of these. Blocks in it share nothing of their own.
    pub fn again<T>(&mut self, xs: &[T], block: impl Fn(&mut Self, &T) -> T) -> Vec<T> {
        if !matches!(self.sharing, Sharing::Off) {
            return xs.iter().map(|x| block(self, x)).collect();
        }
        let start = self.dice.clone();
        self.sharing = Sharing::Record(vec![]);
        let mut out = vec![];
        let mut recorded = VecDeque::new();
        for (i, x) in xs.iter().enumerate() {
            self.dice = start.clone();
            out.push(block(self, x));
            if i == 0
                && let Sharing::Record(list) = std::mem::take(&mut self.sharing)
            {
                recorded = list.into();
            }
            self.sharing = Sharing::Replay(recorded.clone());
        }
        self.sharing = Sharing::Off;
        out
    }

    /// Two towers with one set of weights, or one block several times in a row.
    pub fn shared(&mut self, t: &Tokens, depth: usize) -> Tokens {
        if self.dice.below(3) == 0 {
            let mut x = t.clone();
            let start = self.dice.clone();
            let block = |n: &mut Self, x: &Tokens| {
                n.dice = start.clone();
                let y = n.token_steps(x, depth + 2);
                let y = n.linear(&y, x.width);
                x.like(n.b.op("Tanh", &[&y.name], vec![]))
            };
            self.sharing = Sharing::Record(vec![]);
            x = block(self, &x);
            if let Sharing::Record(list) = std::mem::take(&mut self.sharing) {
                self.sharing = Sharing::Replay(list.into());
            }
            x = block(self, &x);
            self.sharing = Sharing::Off;
            return x;
        }
        let other = t.like(self.b.op("Tanh", &[&t.name], vec![]));
        let ys = self.again(&[t.clone(), other], |n, x| n.token_steps(x, depth + 2));
        let y = match self.dice.below(3) {
            0 => self.b.add(&ys[0].name, &ys[1].name),
            1 => self.b.op("Sub", &[&ys[0].name, &ys[1].name], vec![]),
            _ => {
                let name = self.b.concat(2, &[&ys[0].name, &ys[1].name]);
                return Tokens { name, width: 2 * ys[0].width, ..*t };
            }
        };
        ys[0].like(y)
    }
}
