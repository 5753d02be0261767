//! Whole evaluations: figures, reports, and data that does not fit.

use crate::common::schema;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use onnx_prune::data::{Batch, BatchSource, BoundingBox, Frame, InMemory, Label, Pass, SourceError};
use onnx_prune::evaluation::{
    Error, EvaluationRequest, Evaluator, LatencyRequest, NoPredictions, Predictions, Subject, TaskOptions, evaluate,
};
use onnx_prune::job::{Cancel, Event, Job, Progress, Stage, Unit};
use onnx_prune::onnx::edit::{Editor, Emit, NewNode, stand_alone};
use onnx_prune::onnx::{self, DType, Model, value_info};
use onnx_prune::report::{EvaluationReport, Prediction, Task};
use onnx_prune::runtime::{Choice, IoInfo, OnDemand, SessionOptions, Tensor};
use prost::Message;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn unzipped(name: &str, header: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path(name)).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes.split_off(header)
}

/// Batches that are there already.
struct Given {
    classes: Vec<String>,
    batches: Vec<Batch>,
}

impl BatchSource for Given {
    fn pass(&self, _: &[IoInfo]) -> Result<Pass<'_>, SourceError> {
        Ok(Pass::new(self.batches.iter().cloned().map(Ok)))
    }
    fn name(&self) -> String {
        "given".to_owned()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn count(&self) -> Option<usize> {
        InMemory(self.batches.clone()).count()
    }
}

/// The images of the fixture, with `target` for each label.
fn images(sizes: &[usize], target: fn(usize) -> Label) -> Given {
    let pixels = unzipped("fashion-images-idx3-ubyte.gz", 16);
    let labels = unzipped("fashion-labels-idx1-ubyte.gz", 8);
    let mut start = 0;
    let batch = |n: &usize| {
        let range = start..start + n;
        start += n;
        let values: Vec<f32> =
            pixels[784 * range.start..784 * range.end].iter().map(|b| f32::from(*b) / 255.0).collect();
        Batch {
            inputs: vec![("image".to_owned(), Tensor::new([*n, 1, 28, 28], values).unwrap())],
            targets: range.clone().map(|i| target(usize::from(labels[i]))).collect(),
            names: range.map(|i| format!("image {i}")).collect(),
            frames: Vec::new(),
        }
    };
    Given { classes: (0..10).map(|i| format!("class {i}")).collect(), batches: sizes.iter().map(batch).collect() }
}

fn request(models: &[PathBuf]) -> EvaluationRequest {
    let session = SessionOptions { threads: Some(1), ..Default::default() };
    EvaluationRequest { session, ..EvaluationRequest::new(models.iter().cloned()) }
}

/// Notes predictions.
#[derive(Default)]
struct Notes(Vec<Prediction>);

impl Predictions for Notes {
    fn prediction(&mut self, tell: &dyn Fn() -> Prediction) -> std::io::Result<()> {
        self.0.push(tell());
        Ok(())
    }
}

fn run(request: &EvaluationRequest, source: Given) -> Result<EvaluationReport, Error> {
    evaluate(request, Some(&source), &mut NoPredictions, Job::default())
}

fn figure(r: &EvaluationReport, name: &str) -> f64 {
    r.models[0].figures.iter().find(|f| f.name == name).unwrap().value.unwrap()
}

#[test]
fn the_trained_network_has_its_accuracy_with_every_runtime() {
    for runtime in [Choice::Auto, Choice::Tract] {
        let runtime = OnDemand::new(runtime, None).into();
        let request = EvaluationRequest { runtime, ..request(&[path("fashion_resnet.onnx")]) };
        let report = run(&request, images(&[128, 128, 128, 116], Label::Class)).unwrap();
        assert!((figure(&report, "top-1") - 0.936).abs() < 0.0021, "{:?}", report.models[0].figures);
        assert!(figure(&report, "top-5") > 0.99 && (0.1..0.3).contains(&figure(&report, "loss")));
        let data = report.data.unwrap();
        assert_eq!((data.samples, data.task, data.classes.len()), (500, Task::Classification, 10));
        let classes = &report.models[0].classes;
        assert_eq!(classes.iter().map(|c| c.samples).sum::<u64>(), 500);
        assert!(classes.iter().all(|c| c.recall.unwrap() > 0.7), "{classes:?}");
        assert_eq!(report.models[0].confusion.as_ref().unwrap().rows().flatten().sum::<u64>(), 500);
    }
}

#[test]
fn the_report_fits_its_schema() {
    schema::all_required("evaluation.schema.json");
    let latency = LatencyRequest { batches: vec![1, 4], budget: Duration::from_millis(20) };
    let model = path("fashion_resnet.onnx");
    let request = EvaluationRequest {
        latency: Some(latency),
        against: Some(model.clone().into()),
        ..request(&[model.clone(), model])
    };
    let report = run(&request, images(&[8], Label::Class)).unwrap();
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(schema::check(&value, "evaluation.schema.json"), Vec::<String>::new());
    let alone = evaluate(&request, None, &mut NoPredictions, Job::default()).unwrap();
    let value = serde_json::to_value(&alone).unwrap();
    assert_eq!(schema::check(&value, "evaluation.schema.json"), Vec::<String>::new());

    let again: EvaluationReport = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), value);

    assert_eq!(report.models.len(), 2);
    assert_eq!(report.models[0].latency.iter().map(|l| l.batch).collect::<Vec<_>>(), [1, 4]);
    assert_eq!((figure(&report, "mse"), figure(&report, "same answer")), (0.0, 1.0));
    assert_eq!(alone.models[0].latency.len(), 2);
    assert!(alone.models[0].macs.unwrap() > 1e7 && alone.data.is_none());
}

#[test]
fn agreement_needs_no_labels_and_predictions_are_told() {
    let model = path("fashion_resnet.onnx");
    let request = EvaluationRequest { against: Some(model.clone().into()), ..request(&[model]) };
    let mut notes = Notes::default();
    let report = evaluate(&request, Some(&images(&[10], |_| Label::Unknown)), &mut notes, Job::default()).unwrap();
    assert_eq!(report.data.unwrap().task, Task::Nothing);
    assert_eq!(
        report.models[0].figures.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["cosine", "mse", "largest difference", "same answer"]
    );
    assert_eq!(notes.0.len(), 10);
    let first = &notes.0[0];
    // The first image of the test set is an ankle boot, class 9.
    assert_eq!((first.sample.as_str(), first.classes[0].class.as_str()), ("image 0", "class 9"));
    assert!(first.classes[0].score > 0.5 && first.classes[0].score <= 1.0 && first.classes.len() == 5);
}

#[test]
fn expected_outputs_are_compared() {
    let mut given = images(&[2], |_| Label::Unknown);
    let zeros = || Tensor::new([1, 10], vec![0f32; 10]).unwrap();
    given.batches[0].targets = vec![Label::Outputs(vec![("logits".to_owned(), zeros())]); 2];
    let report = run(&request(&[path("fashion_resnet.onnx")]), given).unwrap();
    assert_eq!((figure(&report, "cosine"), report.data.as_ref().unwrap().task), (0.0, Task::Outputs));
    assert!(figure(&report, "mse") > 0.1);
}

#[test]
fn an_evaluation_can_be_stopped() {
    let (cancel, mut notes) = (Cancel::new(), Notes::default());
    let after_one = |event: &Event| {
        if matches!(event, Event::Progress(Progress { done: 8, .. })) {
            cancel.cancel();
        }
    };
    let job = Job::observed_by(&after_one).cancelled_by(&cancel);
    let request = request(&[path("fashion_resnet.onnx")]);
    let result = evaluate(&request, Some(&images(&[8, 8], Label::Class)), &mut notes, job);
    assert!(matches!(result, Err(Error::Cancelled(_))));
    assert_eq!(notes.0.len(), 8);
}

#[test]
fn an_evaluation_tells_how_far_it_is() {
    let seen = Mutex::new(Vec::new());
    let observer = |event: &Event| seen.lock().unwrap().push(event.clone());
    let request = request(&[path("fashion_resnet.onnx")]);
    let source = images(&[8, 8, 3], Label::Class);
    evaluate(&request, Some(&source), &mut NoPredictions, Job::observed_by(&observer)).unwrap();
    let progress = |done| Event::Progress(Progress { done, total: Some(19), unit: Unit::Samples });
    let stage = |stage| Event::Stage { stage };
    let wanted = [stage(Stage::Open), stage(Stage::Evaluate), progress(8), progress(16), progress(19)];
    assert_eq!(*seen.lock().unwrap(), wanted);
}

#[test]
fn a_model_in_memory_is_evaluated_like_its_file() {
    let (file, model) = (path("fashion_resnet.onnx"), Model::load(path("fashion_resnet.onnx")).unwrap());
    let session = || SessionOptions { threads: Some(1), ..Default::default() };
    let both = EvaluationRequest {
        session: session(),
        ..EvaluationRequest::new([Subject::from(file), Subject::from(&model)])
    };
    let report = run(&both, images(&[16], Label::Class)).unwrap();
    let [a, b] = &report.models[..] else { panic!("{}", report.models.len()) };
    assert_eq!((&a.model, a.bytes, &a.figures), (&b.model, b.bytes, &b.figures));
    // And so it is where no report is wanted, as between two epochs.
    let source = images(&[16], Label::Class);
    let runtime = OnDemand::default();
    let evaluator =
        Evaluator { source: &source, runtime: runtime.get().unwrap(), session: session(), job: Job::default() };
    let found = evaluator.evaluate(&model, &TaskOptions::default()).unwrap();
    assert_eq!((found.task, found.seen.samples, &found.findings.figures), (Task::Classification, 16, &a.figures));
    assert_eq!(found.findings.figure("top-1"), a.figures.iter().find(|f| f.name == "top-1").unwrap().value);
}

#[track_caller]
fn refused(given: Given, words: &[&str]) {
    let message = run(&request(&[path("fashion_resnet.onnx")]), given).unwrap_err().to_string();
    assert!(words.iter().all(|w| message.contains(w)), "{message}");
}

#[test]
fn data_that_does_not_fit_is_refused_with_names() {
    let good = || images(&[4], Label::Class);
    refused(Given { classes: vec!["a".into(); 7], ..good() }, &["fashion_resnet.onnx", "10 classes", "has 7"]);
    refused(Given { classes: Vec::new(), ..images(&[4], |_| Label::Class(12)) }, &["image 0", "class 12", "10"]);
    refused(Given { batches: Vec::new(), ..good() }, &["no sample"]);

    let mut mixed = good();
    mixed.batches[0].targets[2] = Label::Unknown;
    refused(mixed, &["image 2", "no class"]);

    let mut colored = good();
    colored.batches[0].inputs[0].1 = Tensor::new([4, 3, 28, 28], vec![0f32; 4 * 3 * 784]).unwrap();
    refused(colored, &["image", "[batch, 1, 28, 28]", "[4, 3, 28, 28]"]);

    let boxes = images(&[2], |class| {
        Label::Boxes(vec![BoundingBox { xywh: [0.0, 0.0, 5.0, 5.0], class, crowd: false, area: None }])
    });
    refused(boxes, &["fashion_resnet.onnx", "[2, 10]"]);
    let missing = run(&request(&[path("no.onnx")]), good()).unwrap_err();
    assert!(missing.to_string().contains("no.onnx"), "{missing}");
    let card = SessionOptions { device: onnx_prune::runtime::Device::CoreMl, ..SessionOptions::default() };
    let device = EvaluationRequest { session: card, ..request(&[path("fashion_resnet.onnx")]) };
    if let Err(error) = evaluate(&device, None, &mut NoPredictions, Job::default()) {
        assert!(error.to_string().contains("`coreml`"), "{error}");
    }
    let output = EvaluationRequest {
        task: TaskOptions { output: Some("boxes".into()), ..TaskOptions::default() },
        ..request(&[path("fashion_resnet.onnx")])
    };
    assert!(run(&output, good()).unwrap_err().to_string().contains("it has: logits"));
}

/// `x → Identity → y`, a detector that finds what it is shown.
fn mirror(shape: &[Option<i64>]) -> Vec<u8> {
    let mut edit = Editor::new("mirror", 17);
    edit.input(value_info("x", DType::Float, shape));
    edit.op(NewNode::identity("x", "y"));
    edit.output(value_info("y", DType::Float, shape));
    let model = stand_alone(edit.finish(), 17);
    assert!(onnx::Model::from_bytes(model.encode_to_vec().into()).is_ok());
    model.encode_to_vec()
}

#[test]
fn boxes_return_to_the_original_before_they_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("mirror.onnx");
    // One image at a time, while batches are of two.
    std::fs::write(&model, mirror(&[Some(1), Some(2), Some(6)])).unwrap();
    // Left, top, right, bottom, score, class, in an input of half the size with 10 pixels of padding above.
    let shown = vec![
        10f32, 20., 20., 40., 0.9, 1., /**/ 0., 0., 0., 0., 0., 0., /**/
        //
        5., 15., 10., 20., 0.8, 0., /**/ 50., 50., 60., 60., 0.7, 0.,
    ];
    let object = |xywh, class| BoundingBox { xywh, class, crowd: false, area: None };
    let batch = Batch {
        inputs: vec![("x".to_owned(), Tensor::new([2, 2, 6], shown).unwrap())],
        targets: vec![
            Label::Boxes(vec![object([20.0, 20.0, 20.0, 40.0], 1)]),
            Label::Boxes(vec![object([10.0, 10.0, 10.0, 10.0], 0)]),
        ],
        names: vec!["a".into(), "b".into()],
        frames: vec![Frame { size: [200, 200], scale: [0.5; 2], offset: [0.0, 10.0] }; 2],
    };
    let given = Given { classes: vec!["cat".into(), "dog".into()], batches: vec![batch] };
    let mut notes = Notes::default();
    let report = evaluate(&request(&[model]), Some(&given), &mut notes, Job::default()).unwrap();
    assert!((figure(&report, "mAP") - 1.0).abs() < 1e-9, "{:?}", report.models[0].figures);
    assert_eq!(report.models[0].classes[1].ap.map(|x| x.round()), Some(1.0));
    let boxes = notes.0[0].boxes.as_ref().unwrap();
    assert_eq!((boxes.len(), boxes[0].class.as_str(), boxes[0].bbox), (1, "dog", [20.0, 20.0, 20.0, 40.0]));
    assert_eq!(notes.0[1].boxes.as_ref().unwrap()[1].bbox, [100.0, 80.0, 20.0, 20.0]);
}
