//! Operators that onnxruntime's optimizer writes for several at once. Other runtimes do not know them.

use super::attention::Form;
use super::network::{Image, Network, Tokens};
use crate::common::builder::*;

impl Network<'_> {
    /// Whether the next layer is to be one of these.
    pub fn fuses(&mut self) -> bool {
        self.fused && self.dice.below(2) == 0
    }

    /// A layer with its bias and activation.
    pub fn fused_layer(&mut self, t: &Tokens, to: i64) -> Tokens {
        let y = self.fused_product(t, to);
        let name = self.name("bias");
        match self.dice.below(4) {
            0 => {
                let c = self.weight(&name, &[to]);
                y.like(self.b.op("com.microsoft.BiasGelu", &[&y.name, &c], vec![]))
            }
            1 => {
                let c = self.weight(&name, &[to]);
                y.like(self.b.op("com.microsoft.FastGelu", &[&y.name, &c], vec![]))
            }
            2 => y.like(self.b.op("com.microsoft.QuickGelu", &[&y.name], vec![("alpha", A::F(1.702))])),
            _ => y.like(self.b.op("com.microsoft.Gelu", &[&y.name], vec![])),
        }
    }

    /// A scaled product with a weight that may lie the other way round.
    pub fn fused_product(&mut self, t: &Tokens, to: i64) -> Tokens {
        let (from, name, turned) = (t.width, self.name("fused"), self.dice.below(2) as i64);
        let dims = if turned == 1 { [to, from] } else { [from, to] };
        let w = self.weight(&format!("{name}.weight"), &dims);
        let attrs = vec![("transB", A::I(turned)), ("alpha", A::F(0.5))];
        Tokens { name: self.b.op("com.microsoft.FusedMatMul", &[&t.name, &w], attrs), width: to, ..*t }
    }

    /// A sum and its normalisation; now and then the sum is used again.
    pub fn fused_sum(&mut self, t: &Tokens, y: &str) -> Tokens {
        let (w, name) = (t.width, self.name("skip"));
        let scale = self.scale(&format!("{name}.weight"), &[w]);
        let again = self.dice.rarely(3);
        let outputs = if again { 4 } else { 1 };
        let out = if self.dice.below(2) == 0 {
            let (shift, bias) =
                (self.weight(&format!("{name}.shift"), &[w]), self.weight(&format!("{name}.bias"), &[w]));
            let inputs = [&t.name, y, &scale, &shift, &bias];
            let few = if self.dice.below(2) == 0 { 5 } else { 4 };
            self.b.ops("com.microsoft.SkipLayerNormalization", &inputs[..few], vec![], outputs)
        } else {
            self.b.ops("com.microsoft.SkipSimplifiedLayerNormalization", &[&t.name, y, &scale], vec![], outputs)
        };
        if again {
            return t.like(self.b.add(&out[0], &out[3]));
        }
        t.like(out[0].clone())
    }

    /// Attention as one operator: with layers of its own, or after them.
    pub fn fused_attention(&mut self, t: &Tokens, f: Form) -> String {
        let (width, heads) = (f.heads * f.dim, ("num_heads", A::I(f.heads)));
        if self.dice.below(3) == 0 {
            let name = self.name("qkv");
            let w = self.weight(&format!("{name}.weight"), &[t.width, 3 * width]);
            let c = self.weight(&format!("{name}.bias"), &[3 * width]);
            return self.b.op("com.microsoft.Attention", &[&t.name, &w, &c], vec![heads]);
        }
        let value = f.heads * self.dice.one_of(&[f.dim, f.dim + 2]);
        let [q, k, v] = [width, width, value].map(|to| self.linear(t, to).name);
        let (bias, scores) = (self.name("bias"), self.name("scores"));
        let bias = if self.dice.below(2) == 0 { String::new() } else { self.weight(&bias, &[2 * width + value]) };
        let scores = match self.dice.below(2) {
            0 => String::new(),
            _ => self.weight(&scores, &[1, f.heads, t.count, t.count]),
        };
        let o = self.b.op("com.microsoft.MultiHeadAttention", &[&q, &k, &v, &bias, "", &scores], vec![heads]);
        self.linear(&Tokens { name: o, count: t.count, width: value }, width).name
    }

    /// A convolution with its activation, and the image added before that where it fits.
    pub fn fused_conv(&mut self, p: &Image) -> Image {
        let (name, to) = (self.name("conv"), self.dice.one_of(&[p.channels, 4, 8]));
        let w = self.weight(&format!("{name}.weight"), &[to, p.channels, 3, 3]);
        let c = self.weight(&format!("{name}.bias"), &[to]);
        let mut inputs = vec![p.name.as_str(), &w, &c];
        if to == p.channels && self.dice.below(2) == 0 {
            inputs.push(&p.name);
        }
        let activation = self.dice.one_of(&["Relu", "Sigmoid", "Tanh"]);
        let attrs =
            vec![("kernel_shape", A::Is(&[3, 3])), ("pads", A::Is(&[1, 1, 1, 1])), ("activation", A::S(activation))];
        Image { name: self.b.op("com.microsoft.FusedConv", &inputs, attrs), channels: to, size: p.size }
    }
}
