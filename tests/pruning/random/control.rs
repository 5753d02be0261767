//! Subgraphs: branches that are chosen, layers in a loop, cells that go over the tokens.

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::{GraphProto, ValueInfoProto, type_proto};
use onnx_prune::onnx::proto::{TypeProto, type_proto::Tensor};

use super::network::{Network, Tokens};
use crate::common::builder::*;

/// A value of a subgraph whose shape is not told.
fn of(name: &str, dtype: DType) -> ValueInfoProto {
    let tensor = Tensor { elem_type: Some(dtype as i32), shape: None };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: None };
    ValueInfoProto { name: Some(name.into()), r#type: Some(kind), ..Default::default() }
}

impl Network<'_> {
    /// What `build` adds, as a subgraph; its weights stand inside, and those outside can be read.
    fn subgraph(
        &mut self,
        inputs: Vec<ValueInfoProto>,
        build: impl FnOnce(&mut Self) -> Vec<(String, DType)>,
    ) -> GraphProto {
        let inner = GraphProto { name: Some(self.name("body")), input: inputs, ..Default::default() };
        let outside = std::mem::replace(&mut self.b.graph, inner);
        let stored = self.stored.clone();
        let results = build(self);
        self.stored = stored;
        let leaves: Vec<_> = results.iter().map(|(r, dtype)| (self.b.op("Identity", &[r], vec![]), *dtype)).collect();
        let mut subgraph = std::mem::replace(&mut self.b.graph, outside);
        subgraph.output = leaves.iter().map(|(name, dtype)| of(name, *dtype)).collect();
        subgraph
    }

    /// Something in a subgraph.
    pub fn controlled(&mut self, t: &Tokens) -> Tokens {
        match self.dice.below(4) {
            0 | 1 => self.chosen(t),
            2 => self.looped(t),
            _ => self.scanned(t),
        }
    }

    /// If, with a condition that the numbers decide or with a constant one.
    fn chosen(&mut self, t: &Tokens) -> Tokens {
        let to = self.dice.one_of(&[8, 12]);
        let condition = match self.dice.below(3) {
            0 => {
                let m = self.b.mean(&t.name, &[0, 1, 2], false);
                let zero = self.b.scalar(0.0);
                self.b.op("Greater", &[&m, &zero], vec![])
            }
            n => self.b.truth(n == 1),
        };
        let mut branch = |deep: bool| {
            self.subgraph(vec![], |n| {
                let mut x = t.clone();
                if deep {
                    let inner = n.dice.one_of(&[8, 12]);
                    x = n.linear(&x, inner);
                    x = x.like(n.activation(&x.name));
                }
                vec![(n.linear(&x, to).name, DType::Float)]
            })
        };
        let mut attrs = vec![("then_branch", A::G(branch(true))), ("else_branch", A::G(branch(false)))];
        if self.dice.below(2) == 1 {
            attrs.reverse();
        }
        Tokens { name: self.b.op("If", &[&condition], attrs), width: to, ..*t }
    }

    /// Loop: layers that read what they gave; their weights stand inside, or are states that stay as they are.
    fn looped(&mut self, t: &Tokens) -> Tokens {
        let (trips, going) = (self.dice.one_of(&[2, 1, 3]), self.b.truth(true));
        let trips = self.b.scalar_int(trips);
        let (round, go, state) = (self.name("round"), self.name("go"), self.name("state"));
        let mut infos =
            vec![declared(&round, DType::Int64, ""), declared(&go, DType::Bool, ""), of(&state, DType::Float)];
        let mut inputs = vec![trips, going, t.name.clone()];
        let mut carried = vec![];
        if self.dice.below(2) == 1 {
            let hidden = self.dice.one_of(&[6, 8]);
            for dims in [[t.width, hidden], [hidden, t.width]] {
                let name = self.name("carried");
                inputs.push(self.b.weight(&format!("{name}.weight"), &dims));
                infos.push(of(&name, DType::Float));
                carried.push(name);
            }
        }
        let subgraph = self.subgraph(infos, |n| {
            let x = t.like(state);
            let y = if let [up, down] = &carried[..] {
                let h = n.b.matmul(&x.name, up);
                let h = n.b.op("Tanh", &[&h], vec![]);
                n.b.matmul(&h, down)
            } else {
                let h = n.linear(&x, 10);
                let h = h.like(n.activation(&h.name));
                n.linear(&h, t.width).name
            };
            let y = n.b.add(&x.name, &y);
            let y = n.b.op("Tanh", &[&y], vec![]);
            let states = carried.iter().map(|c| (c.clone(), DType::Float));
            [(go, DType::Bool), (y, DType::Float)].into_iter().chain(states).collect()
        });
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        t.like(self.b.ops("Loop", &inputs, vec![("body", A::G(subgraph))], 1 + carried.len()).remove(0))
    }

    /// Scan: a recurrent cell that goes over the tokens.
    fn scanned(&mut self, t: &Tokens) -> Tokens {
        let hidden = self.dice.one_of(&[6, 8]);
        let mean = Tokens { name: self.b.mean(&t.name, &[1], false), ..*t };
        let start = self.dense(&mean.name, t.width, hidden);
        let (state, step) = (self.name("state"), self.name("step"));
        let subgraph = self.subgraph(vec![of(&state, DType::Float), of(&step, DType::Float)], |n| {
            let (x, h) = (n.dense(&step, t.width, hidden), n.dense(&state, hidden, hidden));
            let y = n.b.add(&x, &h);
            let y = n.b.op("Tanh", &[&y], vec![]);
            vec![(y.clone(), DType::Float), (y, DType::Float)]
        });
        let attrs = vec![
            ("body", A::G(subgraph)),
            ("num_scan_inputs", A::I(1)),
            ("scan_input_axes", A::Is(&[1])),
            ("scan_output_axes", A::Is(&[1])),
        ];
        let y = self.b.ops("Scan", &[&start, &t.name], attrs, 2).remove(1);
        Tokens { name: y, width: hidden, ..*t }
    }

    /// A layer without a bias.
    fn dense(&mut self, x: &str, from: i64, to: i64) -> String {
        let name = self.name("dense");
        let w = self.weight(&format!("{name}.weight"), &[from, to]);
        self.b.matmul(x, &w)
    }
}
