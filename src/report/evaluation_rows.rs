//! The tables of an evaluation as rows of text; no terminal here.

use super::evaluation::{ClassRow, EvaluatedModel, EvaluationReport, FigureRow};
use super::text;

/// Of a detector's twelve figures, those that are looked at first.
const DETECTION_FIRST: [&str; 4] = ["mAP", "mAP50", "mAP75", "AR 100"];

/// One row per model under these heads: size and cost, figures, speed. Columns without any value are left out, and
/// unless `all`, so are the lesser figures of a detector.
pub fn evaluation_rows(r: &EvaluationReport, all: bool) -> (Vec<String>, Vec<Vec<String>>) {
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |head: &str, cell: &dyn Fn(&EvaluatedModel) -> Option<String>| {
        let cells: Vec<Option<String>> = r.models.iter().map(cell).collect();
        if cells.iter().any(Option::is_some) {
            columns.push((head.to_owned(), cells.into_iter().map(|c| c.unwrap_or_else(|| "-".to_owned())).collect()));
        }
    };
    add("model", &|m| Some(m.model.clone()));
    add("MACs", &|m| m.macs.map(text::count));
    add("parameters", &|m| m.params.map(text::count));
    add("file size", &|m| Some(text::bytes(m.bytes as f64)));
    let is_detection = r.data.as_ref().is_some_and(|d| d.task == "detection");
    for name in figure_names(&r.models) {
        if all || !is_detection || DETECTION_FIRST.contains(&name.as_str()) || !COCO.contains(&name.as_str()) {
            add(&name, &|m| m.figures.iter().find(|f| f.name == name).and_then(figure));
        }
    }
    for batch in batches(&r.models) {
        let times = |m: &EvaluatedModel| m.latency.iter().find(|l| l.batch == batch).map(|l| l.times.clone());
        let head = if batch == 1 { "latency".to_owned() } else { format!("latency of {batch}") };
        add(&head, &|m| times(m).map(|t| text::milliseconds(t.median)));
        add("p95", &|m| times(m).map(|t| text::milliseconds(t.p95)));
    }
    add("samples/s", &|m| m.throughput.map(text::count));
    add("memory", &|m| m.memory.map(|b| text::bytes(b as f64)));
    let heads = columns.iter().map(|(head, _)| head.clone()).collect();
    let row = |i: usize| columns.iter().filter_map(|(_, cells)| cells.get(i).cloned()).collect();
    (heads, (0..r.models.len()).map(row).collect())
}

/// COCO's twelve.
const COCO: [&str; 12] = [
    "mAP",
    "mAP50",
    "mAP75",
    "mAP small",
    "mAP medium",
    "mAP large",
    "AR 1",
    "AR 10",
    "AR 100",
    "AR small",
    "AR medium",
    "AR large",
];

/// Names of figures in the order in which models have them.
fn figure_names(models: &[EvaluatedModel]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for figure in models.iter().flat_map(|m| &m.figures) {
        if !names.contains(&figure.name) {
            names.push(figure.name.clone());
        }
    }
    names
}

fn batches(models: &[EvaluatedModel]) -> Vec<usize> {
    let mut all: Vec<usize> = models.iter().flat_map(|m| &m.latency).map(|l| l.batch).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn figure(f: &FigureRow) -> Option<String> {
    let value = f.value?;
    Some(match f.unit {
        "share" => format!("{:.2} %", 100.0 * value),
        _ if value != 0.0 && value.abs() < 1e-3 => format!("{value:.1e}"),
        _ => format!("{value:.4}"),
    })
}

/// Heads of [`class_rows`]: of a classifier, of a detector.
pub fn class_heads(task: &str) -> Vec<String> {
    let heads: &[&str] = match task {
        "detection" => &["class", "objects", "mAP", "mAP50"],
        _ => &["class", "samples", "precision", "recall", "F1"],
    };
    heads.iter().map(|head| (*head).to_owned()).collect()
}

/// One row per class, at most `limit`; also the number of classes left out.
pub fn class_rows(task: &str, classes: &[ClassRow], limit: usize) -> (Vec<Vec<String>>, usize) {
    let share = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{:.2} %", 100.0 * x));
    let row = |c: &ClassRow| {
        let mut row = vec![c.class.clone(), c.samples.to_string()];
        match task {
            "detection" => row.extend([c.ap, c.ap50].map(share)),
            _ => row.extend([c.precision, c.recall, c.f1].map(share)),
        }
        row
    };
    let rows: Vec<_> = classes.iter().take(limit).map(row).collect();
    let more = classes.len() - rows.len();
    (rows, more)
}
