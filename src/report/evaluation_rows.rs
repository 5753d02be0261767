//! The tables of an evaluation as rows of text; no terminal here.

use super::evaluation::{ClassRow, EvaluatedModel, EvaluationReport, FigureRow, Task};
use super::text;
use crate::escape;
use crate::metrics::Unit;

/// Of a detector's twelve figures, those that are looked at first.
const DETECTION_FIRST: [&str; 4] = ["mAP", "mAP50", "mAP75", "AR 100"];

/// A table: heads, and rows of as many cells.
pub type Rows = (Vec<String>, Vec<Vec<String>>);

/// One row per model: size and cost, figures, speed; with several models also the ratio of each cost to the first
/// model's, above 1 where a model is better. Columns without any value are left out, and unless `all`, so are the
/// lesser figures of a detector. What does not fit `width` characters goes on in another table.
pub fn evaluation_tables(r: &EvaluationReport, all: bool, width: usize) -> Vec<Rows> {
    let mut columns = Columns { models: &r.models, blocks: Vec::new() };
    columns.cost("MACs", &|m| m.macs, text::count);
    columns.cost("parameters", &|m| m.params, text::count);
    columns.cost("file size", &|m| Some(m.bytes as f64), text::bytes);
    let is_detection = r.data.as_ref().is_some_and(|d| d.task == Task::Detection);
    for name in figure_names(&r.models) {
        if all || !is_detection || DETECTION_FIRST.contains(&name.as_str()) || !COCO.contains(&name.as_str()) {
            columns.add(&name, &|m| m.figures.iter().find(|f| f.name == name).and_then(figure), None);
        }
    }
    for batch in batches(&r.models) {
        let times = |m: &EvaluatedModel| m.latency.iter().find(|l| l.batch == batch).map(|l| l.times.clone());
        let head = if batch == 1 { "latency".to_owned() } else { format!("latency of {batch}") };
        columns.cost(&head, &|m| times(m).map(|t| t.median), text::milliseconds);
        columns.add("p95", &|m| times(m).map(|t| text::milliseconds(t.p95)), None);
    }
    let faster = |m: &EvaluatedModel, first: &EvaluatedModel| Some(text::ratio(m.throughput?, first.throughput?));
    columns.add("samples/s", &|m| m.throughput.map(text::count), Some(&faster));
    columns.cost("memory", &|m| m.memory.map(|b| b as f64), text::bytes);
    columns.wrapped(width)
}

type Cell<'c> = &'c dyn Fn(&EvaluatedModel) -> Option<String>;
type Ratio<'c> = &'c dyn Fn(&EvaluatedModel, &EvaluatedModel) -> Option<String>;

/// Columns of a table of models; those of a block stay side by side.
struct Columns<'m> {
    models: &'m [EvaluatedModel],
    blocks: Vec<Vec<Vec<String>>>,
}

impl Columns<'_> {
    /// A figure, and how many times less it is than the first model's.
    fn cost(&mut self, head: &str, figure: &dyn Fn(&EvaluatedModel) -> Option<f64>, show: fn(f64) -> String) {
        let less = |m: &EvaluatedModel, first: &EvaluatedModel| Some(text::ratio(figure(first)?, figure(m)?));
        self.add(head, &|m| figure(m).map(show), Some(&less));
    }

    fn add(&mut self, head: &str, cell: Cell, ratio: Option<Ratio>) {
        if self.models.iter().all(|m| cell(m).is_none()) {
            return;
        }
        let column = |head: &str, cell: Cell| -> Vec<String> {
            let cells = self.models.iter().map(|m| cell(m).unwrap_or_else(|| "-".to_owned()));
            std::iter::once(head.to_owned()).chain(cells).collect()
        };
        let mut block = vec![column(head, cell)];
        if let (Some(ratio), [first, _, ..]) = (ratio, self.models) {
            block.push(column("ratio", &|m| ratio(m, first)));
        }
        self.blocks.push(block);
    }

    fn wrapped(self, width: usize) -> Vec<Rows> {
        let names: Vec<String> =
            std::iter::once("model".to_owned()).chain(self.models.iter().map(|m| shortened(&m.model))).collect();
        let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
        let mut used = usize::MAX;
        for block in self.blocks {
            let more: usize = block.iter().map(|c| wide(c)).sum();
            match tables.last_mut().filter(|_| used.saturating_add(more) <= width) {
                Some(table) => table.extend(block),
                None => {
                    used = wide(&names);
                    tables.push(std::iter::once(names.clone()).chain(block).collect());
                }
            }
            used += more;
        }
        tables.into_iter().map(rows).collect()
    }
}

/// Columns with their heads as rows.
fn rows(columns: Vec<Vec<String>>) -> Rows {
    let row = |i: usize| columns.iter().filter_map(|c| c.get(i).cloned()).collect();
    let count = columns.first().map_or(0, Vec::len);
    (row(0), (1..count).map(row).collect())
}

/// Characters of a column, with the gap behind it.
fn wide(column: &[String]) -> usize {
    2 + column.iter().map(|cell| cell.chars().count()).max().unwrap_or_default()
}

/// Characters of a model's name that are shown.
const NAME: usize = 40;

/// Both ends of a long name: what tells files apart is at either.
fn shortened(name: &str) -> String {
    let name = escape::line(name);
    let count = name.chars().count();
    if count <= NAME {
        return name.into_owned();
    }
    let (head, tail) = (NAME / 2, NAME - NAME / 2 - 1);
    name.chars().take(head).chain(['…']).chain(name.chars().skip(count - tail)).collect()
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
        Unit::Share => format!("{:.2} %", 100.0 * value),
        _ if value != 0.0 && value.abs() < 1e-3 => format!("{value:.1e}"),
        _ => format!("{value:.4}"),
    })
}

/// Heads of [`class_rows`]: of a classifier, of a detector.
pub fn class_heads(task: Task) -> Vec<String> {
    let heads: &[&str] = match task {
        Task::Detection => &["class", "objects", "mAP", "mAP50"],
        _ => &["class", "samples", "precision", "recall", "F1"],
    };
    heads.iter().map(|head| (*head).to_owned()).collect()
}

/// One row per class, at most `limit`; also the number of classes left out.
pub fn class_rows(task: Task, classes: &[ClassRow], limit: usize) -> (Vec<Vec<String>>, usize) {
    let share = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{:.2} %", 100.0 * x));
    let row = |c: &ClassRow| {
        let mut row = vec![escape::line(&c.class).into_owned(), c.samples.to_string()];
        match task {
            Task::Detection => row.extend([c.ap, c.ap50].map(share)),
            _ => row.extend([c.precision, c.recall, c.f1].map(share)),
        }
        row
    };
    let rows: Vec<_> = classes.iter().take(limit).map(row).collect();
    let more = classes.len() - rows.len();
    (rows, more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{BatchLatency, EVALUATION_VERSION};
    use crate::runtime::latency::Latency;

    fn model(name: &str, macs: f64, time: f64) -> EvaluatedModel {
        let figure = |name: &str| FigureRow { name: name.into(), value: Some(0.5), unit: Unit::Share };
        EvaluatedModel {
            model: name.into(),
            macs: Some(macs),
            params: Some(macs / 2.0),
            bytes: macs as u64,
            figures: ["top-1", "top-5", "precision", "recall", "cosine", "largest difference"].map(figure).into(),
            classes: Vec::new(),
            throughput: Some(1e3 / time),
            latency: [1, 16].map(|batch| BatchLatency { batch, times: Latency::of(vec![time; 3]) }).into(),
            memory: Some(1_000_000),
            confusion: None,
        }
    }

    fn report(models: Vec<EvaluatedModel>) -> EvaluationReport {
        EvaluationReport {
            evaluation: EVALUATION_VERSION,
            version: "0".into(),
            runtime: "r".into(),
            library: None,
            device: Default::default(),
            threads: None,
            data: None,
            against: None,
            models,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn tables_have_ratios_and_fit() {
        let long = format!("{}-tail.onnx", "n".repeat(80));
        let tables = evaluation_tables(&report(vec![model("a.onnx", 4e6, 8.0), model(&long, 1e6, 2.0)]), true, 100);
        assert!(tables.len() > 1);
        let mut seen = Vec::new();
        for (heads, rows) in &tables {
            assert_eq!(heads[0], "model");
            let widths = (0..heads.len()).map(|i| {
                let cells = rows.iter().map(|r| r[i].chars().count());
                2 + cells.chain([heads[i].chars().count()]).max().unwrap()
            });
            assert!(widths.sum::<usize>() <= 100, "{heads:?}");
            assert!(rows[1][0].ends_with("tail.onnx"));
            for (i, head) in heads.iter().enumerate().filter(|(_, h)| *h == "ratio") {
                assert_eq!((rows[0][i].as_str(), i > 0 && heads[i - 1] != "model"), ("1.00x", true), "{head}");
                seen.push((heads[i - 1].clone(), rows[1][i].clone()));
            }
        }
        let seen: Vec<(&str, &str)> = seen.iter().map(|(head, ratio)| (head.as_str(), ratio.as_str())).collect();
        let wanted = [
            ("MACs", "4.00x"),
            ("parameters", "4.00x"),
            ("file size", "4.00x"),
            ("latency", "4.00x"),
            ("latency of 16", "4.00x"),
            ("samples/s", "4.00x"),
            ("memory", "1.00x"),
        ];
        assert_eq!(seen, wanted);
        let alone = evaluation_tables(&report(vec![model("a.onnx", 4e6, 8.0)]), true, 1000);
        assert_eq!(alone.len(), 1);
        assert!(!alone[0].0.contains(&"ratio".to_owned()));
    }
}
