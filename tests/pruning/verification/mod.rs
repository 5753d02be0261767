//! What verification finds, what it says that it cannot tell, and how it gets there.

mod cut;
mod given;
mod guesses;
mod listed;
mod sizes;
mod told;

use crate::common;
use std::sync::{Arc, LazyLock};

use onnx_prune::algebra::Kept;
use onnx_prune::analysis::{Analysis, Shapes};
use onnx_prune::onnx::proto::ModelProto;
use onnx_prune::onnx::{Model, SaveOptions, save};
use onnx_prune::prune::PruneRequest;
use onnx_prune::rewriting::{self, Check, CheckOptions, Found, Verdict};
use onnx_prune::runtime::{self, Choice, Selected};

use crate::common::request::Done;

static RUNTIME: LazyLock<Selected> = LazyLock::new(|| runtime::select(Choice::Auto, None).unwrap());
static TRACT: LazyLock<Selected> = LazyLock::new(|| runtime::select(Choice::Tract, None).unwrap());

/// Half of the channels of every group, from `from` on.
fn kept(a: &Analysis, from: u32) -> Kept {
    let half = |n: usize| Arc::from((from..from + n as u32 / 2).collect::<Vec<u32>>());
    a.groups.iter().map(|g| (g.atom, half(g.size))).collect()
}

/// Checks what `change` makes of the model with the first half of all channels.
fn check_changed(
    m: &ModelProto,
    options: &CheckOptions,
    runtime: &Selected,
    change: impl FnOnce(&mut ModelProto),
) -> rewriting::Result<Check> {
    let model = Model::new(m.clone());
    let a = Analysis::new(&model, &Shapes::new()).unwrap();
    let kept = kept(&a, 0);
    let mut proto = rewriting::prune(&a, &kept).unwrap();
    change(&mut proto);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.onnx");
    save::save(&Model::new(proto), &path, &SaveOptions::default()).unwrap();
    rewriting::verify(&a, &kept, &path, &*runtime.runtime, options)
}

fn check(m: &ModelProto) -> rewriting::Result<Check> {
    check_changed(m, &CheckOptions::default(), &RUNTIME, |_| {})
}

/// A file that kept other channels than it says, and should not pass.
fn wrong(m: &ModelProto) -> rewriting::Result<Check> {
    wrong_on(m, &RUNTIME)
}

fn wrong_on(m: &ModelProto, runtime: &Selected) -> rewriting::Result<Check> {
    let model = Model::new(m.clone());
    let a = Analysis::new(&model, &Shapes::new()).unwrap();
    let proto = rewriting::prune(&a, &kept(&a, 3)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.onnx");
    save::save(&Model::new(proto), &path, &SaveOptions::default()).unwrap();
    rewriting::verify(&a, &kept(&a, 0), &path, &*runtime.runtime, &CheckOptions::default())
}

fn verdict(check: rewriting::Result<Check>) -> Verdict {
    match check.map(|c| c.found) {
        Ok(Found::Same(verdict)) => verdict,
        Ok(Found::Nothing(why)) => panic!("not verified: {why}"),
        Err(e) => panic!("{e}"),
    }
}

fn nothing(check: rewriting::Result<Check>) -> String {
    match check.map(|c| c.found) {
        Ok(Found::Nothing(why)) => why,
        Ok(Found::Same(verdict)) => panic!("verified: {verdict:?}"),
        Err(e) => panic!("{e}"),
    }
}

fn refused(check: rewriting::Result<Check>) -> String {
    match check {
        Err(e @ rewriting::Error::Verification(_)) => e.to_string(),
        Err(e) => panic!("another error: {e}"),
        Ok(check) => panic!("a wrong model passed: {:?}", check.found),
    }
}

fn request() -> PruneRequest {
    PruneRequest { verify: true, force: false, ..common::request::request() }
}

fn pruned(m: &ModelProto, request: &PruneRequest) -> Result<(Done, Vec<u8>), onnx_prune::prune::Error> {
    crate::common::request::pruned(Model::from_bytes(common::bytes(m)).unwrap(), request)
}
