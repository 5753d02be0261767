//! Gradients of functions of one number, in terms of what they give: no constant is needed.

use crate::onnx::edit::{NewNode, Result};
use crate::ops::context::GradientCx;

/// The gradients of a node's inputs, of which there is one.
type Gradients = Result<Vec<Option<String>>>;

fn of_one(cx: &mut GradientCx, rule: impl FnOnce(&mut GradientCx, &str, &str) -> String) -> Gradients {
    let (Some(given), Some(y)) = (cx.given(0), cx.output(0)) else { return Ok(vec![None]) };
    Ok(vec![Some(rule(cx, given, y))])
}

fn binary(cx: &mut GradientCx, op: &str, a: &str, b: &str) -> String {
    cx.emit.op(NewNode::new(op).inputs([a, b]))
}

/// `Identity`: as it is.
pub fn identity(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |_, g, _| g.to_owned())
}

/// `Neg`: −g.
pub fn negated(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, _| cx.emit.op(NewNode::new("Neg").input(g)))
}

/// `Relu`: g where y is positive; its sign is 1 there and 0 elsewhere.
pub fn rectified(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, y| {
        let passes = cx.emit.op(NewNode::new("Sign").input(y));
        binary(cx, "Mul", g, &passes)
    })
}

/// `Sigmoid`: g · y · (1 − y).
pub fn sigmoid(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, y| {
        let scaled = binary(cx, "Mul", g, y);
        let again = binary(cx, "Mul", &scaled, y);
        binary(cx, "Sub", &scaled, &again)
    })
}

/// `Tanh`: g · (1 − y²).
pub fn tanh(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, y| {
        let scaled = binary(cx, "Mul", g, y);
        let again = binary(cx, "Mul", &scaled, y);
        binary(cx, "Sub", g, &again)
    })
}

/// `Exp`: g · y.
pub fn exponential(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, y| binary(cx, "Mul", g, y))
}

/// `Sqrt`: g / 2y.
pub fn root(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, y| {
        let twice = binary(cx, "Add", y, y);
        binary(cx, "Div", g, &twice)
    })
}

/// `Softsign`: g · (1 − |y|)².
pub fn softsign(cx: &mut GradientCx) -> Gradients {
    of_one(cx, |cx, g, y| {
        let size = cx.emit.op(NewNode::new("Abs").input(y));
        let mut left = g.to_owned();
        for _ in 0..2 {
            let gone = binary(cx, "Mul", &left, &size);
            left = binary(cx, "Sub", &left, &gone);
        }
        left
    })
}

#[cfg(all(test, feature = "tract"))]
mod tests {
    use crate::onnx::edit::{Editor, Emit, NewNode, stand_alone};
    use crate::onnx::{DType, Model, value_info};
    use crate::ops::{self, Gradient, GradientCx, NodeView, Parsed};
    use crate::runtime::{SessionOptions, Tensor, open_model, tract::Tract};

    const POINTS: [f32; 4] = [0.3, 1.7, 0.9, 2.2];

    /// What an operator gives at these points, and the gradients of the sum of that.
    #[allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests")]
    fn at(op: &str, points: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let Some(Gradient::Rule(rule)) = ops::find("", op).map(|d| d.gradient) else { panic!("{op} has no rule") };
        let mut edit = Editor::new("g", 17);
        let declared = |name: &str| value_info(name, DType::Float, &[Some(points.len() as i64)]);
        ["x", "g"].into_iter().for_each(|name| edit.input(declared(name)));
        let node = NewNode::new(op).input("x").output("y").build();
        edit.emit(node.clone());
        let view = NodeView { node: &node, opset: 17, inputs: vec![None], parsed: &Parsed::default() };
        let gradients = rule(&mut GradientCx { view, given: vec![Some("g")], emit: &mut edit }).unwrap();
        edit.op(NewNode::identity(gradients[0].clone().unwrap(), "d"));
        ["y", "d"].into_iter().for_each(|name| edit.output(declared(name)));
        let model = Model::new(stand_alone(edit.finish(), 17));
        let shape = vec![points.len()];
        let inputs = [
            ("x".to_owned(), Tensor::new(shape.clone(), points.to_vec()).unwrap()),
            ("g".to_owned(), Tensor::new(shape, vec![1f32; points.len()]).unwrap()),
        ];
        let out = open_model(&Tract, model, &SessionOptions::default()).unwrap().run(&inputs).unwrap();
        let values = |name: &str| out.iter().find(|(n, _)| n == name).unwrap().1.to_f64_vec();
        (values("y"), values("d"))
    }

    #[test]
    fn gradients_are_the_slopes_of_what_comes_out() {
        for op in ["Identity", "Neg", "Relu", "Sigmoid", "Tanh", "Exp", "Sqrt", "Softsign"] {
            // Negative numbers have no root.
            let points = if op == "Sqrt" { POINTS } else { POINTS.map(|x| x - 1.2) };
            let step = 1e-2f32;
            let (above, below) = (at(op, &points.map(|x| x + step)).0, at(op, &points.map(|x| x - step)).0);
            for ((a, b), slope) in above.iter().zip(&below).zip(at(op, &points).1) {
                let expected = (a - b) / (2.0 * f64::from(step));
                assert!((slope - expected).abs() < 1e-3 * expected.abs().max(1.0), "{op}: {slope} for {expected}");
            }
        }
    }
}
