//! Networks written down layer by layer, with weights that are the same on every run.
#![allow(dead_code, reason = "each test binary uses a part")]

use onnx_prune::onnx::edit::{Emit, NewNode};
use onnx_prune::onnx::proto::attribute_proto::AttributeType;
use onnx_prune::onnx::proto::tensor_shape_proto::{Dimension, dimension::Value as DimValue};
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType};

/// A value of an attribute.
pub enum A<'a> {
    I(i64),
    F(f32),
    Is(&'a [i64]),
    S(&'a str),
    T(TensorProto),
    G(GraphProto),
}

/// An attribute.
pub fn attr(name: &str, value: A) -> AttributeProto {
    let mut a = AttributeProto { name: Some(name.into()), ..Default::default() };
    let mut kind = |t: AttributeType| a.r#type = Some(t as i32);
    match value {
        A::I(i) => {
            kind(AttributeType::Int);
            a.i = Some(i);
        }
        A::F(f) => {
            kind(AttributeType::Float);
            a.f = Some(f);
        }
        A::Is(v) => {
            kind(AttributeType::Ints);
            a.ints = v.to_vec();
        }
        A::S(s) => {
            kind(AttributeType::String);
            a.s = Some(s.as_bytes().to_vec());
        }
        A::T(t) => {
            kind(AttributeType::Tensor);
            a.t = Some(t);
        }
        A::G(g) => {
            kind(AttributeType::Graph);
            a.g = Some(g);
        }
    }
    a
}

/// A declaration; sizes are numbers or names, as in `batch 3 8 8`.
pub fn declared(name: &str, dtype: DType, dims: &str) -> ValueInfoProto {
    let dim = |d: &str| Dimension {
        value: Some(d.parse().map_or_else(|_| DimValue::DimParam(d.into()), DimValue::DimValue)),
        denotation: None,
    };
    let shape = TensorShapeProto { dim: dims.split_whitespace().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(dtype as i32), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: None }),
        ..Default::default()
    }
}

/// A declaration of a sequence of tensors.
fn sequence(name: &str, dtype: DType) -> ValueInfoProto {
    let tensor = type_proto::Value::TensorType(type_proto::Tensor { elem_type: Some(dtype as i32), shape: None });
    let each = Box::new(TypeProto { value: Some(tensor), denotation: None });
    let all = type_proto::Value::SequenceType(Box::new(type_proto::Sequence { elem_type: Some(each) }));
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value: Some(all), denotation: None }),
        ..Default::default()
    }
}

/// Kernel, stride, padding and groups of a convolution.
#[derive(Clone, Copy)]
pub struct Window {
    pub kernel: i64,
    pub stride: i64,
    pub pad: i64,
    pub group: i64,
}

/// A kernel of that size whose output is as large as its input.
pub fn same(kernel: i64) -> Window {
    Window { kernel, stride: 1, pad: kernel / 2, group: 1 }
}

impl Window {
    pub fn stride(self, stride: i64) -> Window {
        Window { stride, ..self }
    }
    pub fn group(self, group: i64) -> Window {
        Window { group, ..self }
    }
}

/// A graph that grows. Values are known by their names.
pub struct Builder {
    pub graph: GraphProto,
    pub opset: i64,
    pub ir: i64,
    pub dtype: DType,
    /// What every name begins with: names in subgraphs must differ from those outside.
    pub prefix: String,
    seed: u64,
    count: usize,
}

impl Emit for Builder {
    fn opset(&self) -> i64 {
        self.opset
    }

    fn fresh(&mut self, base: &str) -> String {
        Builder::fresh(self, base)
    }

    fn emit(&mut self, node: NodeProto) {
        self.graph.node.push(node);
    }

    fn hold(&mut self, tensor: TensorProto) {
        self.graph.initializer.push(tensor);
    }
}

impl Builder {
    pub fn new(opset: i64) -> Builder {
        let graph = GraphProto { name: Some("main".into()), ..Default::default() };
        Builder {
            graph,
            opset,
            ir: 8,
            dtype: DType::Float,
            prefix: String::new(),
            seed: 0x9e37_79b9_7f4a_7c15,
            count: 0,
        }
    }

    /// The same graph with other random weights.
    pub fn seeded(mut self, seed: u64) -> Builder {
        self.seed ^= seed.wrapping_mul(0xd134_2543_de82_ef95) | 1;
        self
    }

    /// A number between −1 and 1.
    pub fn draw(&mut self) -> f32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn input(&mut self, name: &str, dims: &str) -> String {
        self.input_of(name, self.dtype, dims)
    }

    pub fn input_of(&mut self, name: &str, dtype: DType, dims: &str) -> String {
        self.graph.input.push(declared(name, dtype, dims));
        name.to_owned()
    }

    /// Makes `value` an output.
    pub fn output(&mut self, value: &str, dims: &str) {
        self.output_of(value, self.dtype, dims);
    }

    pub fn output_of(&mut self, value: &str, dtype: DType, dims: &str) {
        self.graph.output.push(declared(value, dtype, dims));
    }

    /// An input that is a sequence of tensors.
    pub fn sequence(&mut self, name: &str) -> String {
        self.graph.input.push(sequence(name, self.dtype));
        name.to_owned()
    }

    /// Makes `value` an output that is a sequence of tensors.
    pub fn sequence_output(&mut self, value: &str) {
        self.graph.output.push(sequence(value, self.dtype));
    }

    /// An intermediate value's declaration.
    pub fn value_info(&mut self, value: &str, dims: &str) {
        self.graph.value_info.push(declared(value, self.dtype, dims));
    }

    /// Random contents, small enough that sums over the inner axes stay near 1.
    pub fn random(&mut self, dims: &[i64]) -> Vec<f32> {
        let fan: i64 = dims.iter().skip(1).product();
        let scale = 1.7 / (fan.max(1) as f32).sqrt();
        (0..dims.iter().product::<i64>()).map(|_| self.draw() * scale).collect()
    }

    /// An initializer with these contents, in the graph's element type.
    pub fn filled(&mut self, name: &str, dims: &[i64], data: &[f32]) -> String {
        let shape: Vec<usize> = dims.iter().map(|d| *d as usize).collect();
        self.graph.initializer.push(onnx::from_f32(name, &shape, data, self.dtype).unwrap());
        name.to_owned()
    }

    /// An initializer of another element type, with these bytes.
    pub fn codes(&mut self, name: &str, dims: &[i64], dtype: DType, data: &[u8]) -> String {
        let t = TensorProto {
            name: Some(name.into()),
            dims: dims.to_vec(),
            data_type: Some(dtype as i32),
            raw_data: Some(data.to_vec().into()),
            ..Default::default()
        };
        self.graph.initializer.push(t);
        name.to_owned()
    }

    /// A truth value.
    pub fn truth(&mut self, value: bool) -> String {
        let name = self.fresh("truth");
        self.codes(&name, &[], DType::Bool, &[value.into()])
    }

    /// An initializer with random contents.
    pub fn weight(&mut self, name: &str, dims: &[i64]) -> String {
        let data = self.random(dims);
        self.filled(&format!("{}{name}", self.prefix), dims, &data)
    }

    /// A new name with this beginning.
    pub fn fresh(&mut self, base: &str) -> String {
        self.count += 1;
        format!("{}{base}_{}", self.prefix, self.count)
    }

    pub fn ints(&mut self, values: &[i64]) -> String {
        let name = self.fresh("ints");
        self.graph.initializer.push(onnx::from_i64(&name, &[values.len()], values).unwrap());
        name
    }

    pub fn scalar_int(&mut self, value: i64) -> String {
        let name = self.fresh("int");
        self.graph.initializer.push(onnx::from_i64(&name, &[], &[value]).unwrap());
        name
    }

    pub fn scalar(&mut self, value: f32) -> String {
        let name = self.fresh("scalar");
        self.filled(&name, &[], &[value])
    }

    /// A node with one output. An input that is left out is the empty name; a domain stands before the operator, as in
    /// `com.microsoft.Gelu`.
    pub fn op(&mut self, op: &str, inputs: &[&str], attrs: Vec<(&str, A)>) -> String {
        self.ops(op, inputs, attrs, 1).remove(0)
    }

    /// A node with several outputs.
    pub fn ops(&mut self, op: &str, inputs: &[&str], attrs: Vec<(&str, A)>, outputs: usize) -> Vec<String> {
        let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
        let name = self.fresh(op);
        let out: Vec<String> =
            (0..outputs).map(|k| if outputs == 1 { format!("{name}.out") } else { format!("{name}.out{k}") }).collect();
        let node = NewNode::new(op).domain(domain).name(name).inputs(inputs.iter().copied()).outputs(&out);
        let node = attrs.into_iter().fold(node, |node, (n, v)| node.raw(attr(n, v)));
        self.graph.node.push(node.build());
        out
    }

    /// Adds a node that the editor spelled for this operator set, under names like those of other nodes.
    fn named(&mut self, node: NewNode, outputs: usize) -> Vec<String> {
        let name = Builder::fresh(self, node.op());
        let out: Vec<String> =
            (0..outputs).map(|k| if outputs == 1 { format!("{name}.out") } else { format!("{name}.out{k}") }).collect();
        self.emit(node.name(name).outputs(&out).build());
        out
    }

    pub fn conv(&mut self, name: &str, x: &str, from: i64, to: i64, w: Window) -> String {
        let weight = self.weight(&format!("{name}.weight"), &[to, from / w.group, w.kernel, w.kernel]);
        let bias = self.weight(&format!("{name}.bias"), &[to]);
        self.conv_with(x, &[&weight, &bias], w)
    }

    pub fn conv_no_bias(&mut self, name: &str, x: &str, from: i64, to: i64, w: Window) -> String {
        let weight = self.weight(&format!("{name}.weight"), &[to, from / w.group, w.kernel, w.kernel]);
        self.conv_with(x, &[&weight], w)
    }

    /// A convolution with given weight (and bias).
    pub fn conv_with(&mut self, x: &str, weights: &[&str], w: Window) -> String {
        let inputs = [&[x], weights].concat();
        let (kernel, strides, pads) = ([w.kernel; 2], [w.stride; 2], [w.pad; 4]);
        let attrs = vec![
            ("kernel_shape", A::Is(&kernel)),
            ("strides", A::Is(&strides)),
            ("pads", A::Is(&pads)),
            ("group", A::I(w.group)),
        ];
        self.op("Conv", &inputs, attrs)
    }

    pub fn bn(&mut self, name: &str, x: &str, channels: i64) -> String {
        let scale: Vec<f32> = (0..channels).map(|_| 1.0 + 0.4 * self.draw()).collect();
        let var: Vec<f32> = (0..channels).map(|_| 1.0 + 0.4 * self.draw()).collect();
        let w = self.filled(&format!("{name}.weight"), &[channels], &scale);
        let b = self.weight(&format!("{name}.bias"), &[channels]);
        let m = self.weight(&format!("{name}.mean"), &[channels]);
        let v = self.filled(&format!("{name}.var"), &[channels], &var);
        self.op("BatchNormalization", &[x, &w, &b, &m, &v], vec![("epsilon", A::F(1e-5))])
    }

    /// A fully connected layer, weight [to, from].
    pub fn gemm(&mut self, name: &str, x: &str, from: i64, to: i64) -> String {
        let w = self.weight(&format!("{name}.weight"), &[to, from]);
        let b = self.weight(&format!("{name}.bias"), &[to]);
        self.op("Gemm", &[x, &w, &b], vec![("transB", A::I(1))])
    }

    /// MatMul with a weight [from, to], then Add.
    pub fn linear(&mut self, name: &str, x: &str, from: i64, to: i64) -> String {
        let data: Vec<f32> = {
            let scale = (to as f32 / from as f32).sqrt();
            self.random(&[from, to]).iter().map(|v| v * scale).collect()
        };
        let w = self.filled(&format!("{}{name}.weight", self.prefix), &[from, to], &data);
        let b = self.weight(&format!("{name}.bias"), &[to]);
        let y = self.op("MatMul", &[x, &w], vec![]);
        self.op("Add", &[&y, &b], vec![])
    }

    pub fn layernorm(&mut self, name: &str, x: &str, channels: i64) -> String {
        let scale: Vec<f32> = (0..channels).map(|_| 1.0 + 0.4 * self.draw()).collect();
        let w = self.filled(&format!("{name}.weight"), &[channels], &scale);
        let b = self.weight(&format!("{name}.bias"), &[channels]);
        self.op("LayerNormalization", &[x, &w, &b], vec![("axis", A::I(-1))])
    }

    pub fn relu(&mut self, x: &str) -> String {
        self.op("Relu", &[x], vec![])
    }

    pub fn sigmoid(&mut self, x: &str) -> String {
        self.op("Sigmoid", &[x], vec![])
    }

    pub fn add(&mut self, x: &str, y: &str) -> String {
        self.op("Add", &[x, y], vec![])
    }

    pub fn mul(&mut self, x: &str, y: &str) -> String {
        self.op("Mul", &[x, y], vec![])
    }

    pub fn matmul(&mut self, x: &str, y: &str) -> String {
        self.op("MatMul", &[x, y], vec![])
    }

    pub fn concat(&mut self, axis: i64, parts: &[&str]) -> String {
        self.op("Concat", parts, vec![("axis", A::I(axis))])
    }

    pub fn split(&mut self, x: &str, axis: i64, sizes: &[i64]) -> Vec<String> {
        let node = Emit::split(self, x, axis, sizes).unwrap();
        self.named(node, sizes.len())
    }

    pub fn slice(&mut self, x: &str, axis: i64, from: i64, to: i64) -> String {
        self.slices(x, &[axis], &[from], &[to], &[1])
    }

    pub fn slices(&mut self, x: &str, axes: &[i64], from: &[i64], to: &[i64], steps: &[i64]) -> String {
        let node = match self.opset {
            ..10 => Emit::slice(self, x, axes, from, to),
            _ => self.slice_steps(x, axes, from, to, steps),
        };
        self.named(node.unwrap(), 1).remove(0)
    }

    pub fn pad(&mut self, x: &str, pads: &[i64]) -> String {
        let node = Emit::pad(self, x, pads).unwrap();
        self.named(node, 1).remove(0)
    }

    pub fn reshape(&mut self, x: &str, dims: &[i64]) -> String {
        let d = self.ints(dims);
        self.op("Reshape", &[x, &d], vec![])
    }

    pub fn transpose(&mut self, x: &str, perm: &[i64]) -> String {
        self.op("Transpose", &[x], vec![("perm", A::Is(perm))])
    }

    pub fn softmax(&mut self, x: &str, axis: i64) -> String {
        self.op("Softmax", &[x], vec![("axis", A::I(axis))])
    }

    pub fn gather(&mut self, x: &str, indices: &str, axis: i64) -> String {
        self.op("Gather", &[x, indices], vec![("axis", A::I(axis))])
    }

    pub fn mean(&mut self, x: &str, axes: &[i64], keep: bool) -> String {
        let node = self.reduce("ReduceMean", x, axes, keep).unwrap();
        self.named(node, 1).remove(0)
    }

    pub fn squeeze(&mut self, x: &str, axes: &[i64]) -> String {
        let node = Emit::squeeze(self, x, axes).unwrap();
        self.named(node, 1).remove(0)
    }

    pub fn unsqueeze(&mut self, x: &str, axes: &[i64]) -> String {
        let node = Emit::unsqueeze(self, x, axes).unwrap();
        self.named(node, 1).remove(0)
    }

    pub fn pool(&mut self, x: &str) -> String {
        self.op("MaxPool", &[x], vec![("kernel_shape", A::Is(&[2, 2])), ("strides", A::Is(&[2, 2]))])
    }

    /// Mean over the image, then a vector per image.
    pub fn global_pool(&mut self, x: &str) -> String {
        let p = self.op("GlobalAveragePool", &[x], vec![]);
        self.op("Flatten", &[&p], vec![("axis", A::I(1))])
    }

    pub fn model(self) -> ModelProto {
        let mut domains: Vec<&str> = self.graph.node.iter().map(|n| n.domain()).filter(|d| !d.is_empty()).collect();
        domains.sort_unstable();
        domains.dedup();
        let versions = [("", self.opset)].into_iter().chain(domains.into_iter().map(|d| (d, 1)));
        let import = |(domain, version): (&str, i64)| OperatorSetIdProto {
            domain: Some(domain.to_owned()),
            version: Some(version),
        };
        ModelProto {
            ir_version: Some(self.ir),
            opset_import: versions.map(import).collect(),
            producer_name: Some("test".into()),
            graph: Some(self.graph),
            ..Default::default()
        }
    }
}
