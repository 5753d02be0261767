//! What tests ask of the whole job.

use onnx_prune::criteria;
use onnx_prune::planning::targets::{Ratio, Targets};
use onnx_prune::planning::{self, Options};
use onnx_prune::prune::Request;
use onnx_prune::runtime::{Choice, SessionOptions};

/// Half of every group by l2 in three steps, neither checked nor measured.
pub fn request() -> Request {
    Request {
        criterion: criteria::find("l2").unwrap(),
        scheme: planning::find_scheme("local").unwrap(),
        score: Default::default(),
        targets: Targets::one(&Ratio, 0.5),
        options: Options { steps: 3, ..Default::default() },
        kinds: Vec::new(),
        shapes: Vec::new(),
        recipe: None,
        strip_debug: false,
        force: true,
        verify: false,
        strict: false,
        fills: Vec::new(),
        drop_initializer_inputs: false,
        latency: None,
        runtime: Choice::Auto,
        library: None,
        times: None,
        sensitivity: false,
        session: SessionOptions { threads: Some(1), ..SessionOptions::default() },
        data: None,
        recover: Default::default(),
        otherwise: None,
        keep: None,
    }
}
