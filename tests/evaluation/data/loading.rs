use std::path::Path;

use onnx_prune::data::{Batch, BatchSource, Dataset, Epoch, Label, Loader, LoaderOptions, Preprocess, StoredData};
use onnx_prune::onnx::DType;
use onnx_prune::runtime::IoInfo;

use super::made::*;

const RANDOM: &str = r#"{"steps": [
    {"kind": "random-crop", "size": [6, 8], "padding": 2}, {"kind": "random-flip"}, {"kind": "scale", "divide": 255}]}"#;

fn folder(count: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..count {
        put(folder.path(), &format!("{}/{i:03}.jpg", i % 3), jpeg(i));
    }
    folder
}

fn model(batch: i64) -> [IoInfo; 1] {
    [io("image", DType::Float, &[batch, 3, HEIGHT as i64, WIDTH as i64])]
}

fn loader(path: &Path, how: &str, model: &[IoInfo], options: LoaderOptions) -> Loader {
    Loader::new(open(path, ""), Some(&Preprocess::parse(how).unwrap()), model, options).unwrap()
}

fn names(loader: &Loader, epoch: u64) -> Vec<String> {
    loader.epoch(epoch).flat_map(|b| b.unwrap().names).collect()
}

#[test]
fn batches_are_the_same_for_any_number_of_threads() {
    let folder = folder(50);
    let all = |threads, seed| -> Vec<Batch> {
        let options = LoaderOptions { batch: 7, seed, shuffle: true, threads: Some(threads), ..Default::default() };
        loader(folder.path(), RANDOM, &model(-1), options).batches().map(Result::unwrap).collect()
    };
    let one = all(1, 5);
    assert_eq!(one.iter().map(Batch::len).collect::<Vec<_>>(), [7, 7, 7, 7, 7, 7, 7, 1]);
    for threads in [2, 3, 8] {
        assert!(all(threads, 5) == one, "{threads} threads");
    }
    assert!(all(2, 6) != one);
}

#[test]
fn an_epoch_shuffles_and_a_restart_does_not() {
    let folder = folder(40);
    let options = LoaderOptions { shuffle: true, batch: 8, ..Default::default() };
    let shuffled = loader(folder.path(), "unit", &model(-1), options.clone());
    let (first, second) = (names(&shuffled, 0), names(&shuffled, 1));
    assert!(first != second && first == names(&shuffled, 0));
    let plain = loader(folder.path(), "unit", &model(-1), LoaderOptions { shuffle: false, ..options });
    let mut sorted = first.clone();
    sorted.sort();
    assert_eq!((names(&plain, 0), names(&plain, 1)), (sorted.clone(), sorted));
    // Random steps differ from epoch to epoch.
    let random = loader(folder.path(), RANDOM, &model(-1), LoaderOptions::default());
    let values = |epoch| random.epoch(epoch).next().unwrap().unwrap().inputs;
    assert!(values(0) == values(0) && values(0) != values(1));
}

#[test]
fn a_source_gives_the_chosen_samples_in_every_epoch_in_another_order() {
    let folder = folder(60);
    // A bad sample is told by whoever walks over it.
    put(folder.path(), "0/bad.jpg", b"no image");
    let source = |threads| StoredData {
        dataset: open(folder.path(), "").into(),
        preprocess: Some(Preprocess::Unit),
        options: LoaderOptions {
            batch: 8,
            samples: Some(40),
            seed: 4,
            max_bad: 0.1,
            threads: Some(threads),
            ..Default::default()
        },
        origin: None,
    };
    let walk = |source: &StoredData, epoch: Option<Epoch>| {
        let pass = match epoch {
            Some(epoch) => source.epoch(&model(-1), epoch),
            None => source.pass(&model(-1)),
        };
        pass.unwrap().flat_map(|b| b.unwrap().names).collect::<Vec<String>>()
    };
    let (one, three) = (source(1), source(3));
    assert_eq!(one.count(), Some(40));
    let chosen = walk(&one, None);
    assert!(chosen.is_sorted() && chosen.len() >= 39 && chosen == walk(&three, None));
    let mut seen = vec![chosen.clone()];
    for (seed, number) in [(4, 0), (4, 1), (9, 0)] {
        let epoch = Some(Epoch { seed, number });
        let order = walk(&one, epoch);
        assert_eq!(order, walk(&three, epoch), "threads decide nothing");
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, chosen, "the seed of an epoch chooses no samples");
        assert!(!seen.contains(&order));
        seen.push(order);
    }
    let whole = StoredData { options: LoaderOptions { samples: None, ..one.options.clone() }, ..one };
    let mut pass = whole.epoch(&model(-1), Epoch::default()).unwrap();
    assert_eq!(pass.by_ref().map(|b| b.unwrap().len()).sum::<usize>(), 60);
    assert_eq!(pass.left_out().iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["0/bad.jpg"]);
}

#[test]
fn samples_are_chosen_by_the_seed() {
    let folder = folder(60);
    let some = |seed| {
        let options = LoaderOptions { samples: Some(9), seed, ..Default::default() };
        names(&loader(folder.path(), "unit", &model(-1), options), 0)
    };
    assert_eq!(some(1).len(), 9);
    assert!(some(1) == some(1) && some(1) != some(2));
    let share = |part: &str| {
        names(
            &Loader::new(open(folder.path(), part), Some(&Preprocess::Unit), &model(-1), LoaderOptions::default())
                .unwrap(),
            0,
        )
    };
    let (mut low, high) = (share("[:25%]"), share("[25%:]"));
    assert_eq!((low.len(), high.len()), (15, 45));
    low.extend(high);
    low.sort();
    low.dedup();
    assert_eq!(low.len(), 60);
}

#[test]
fn a_fixed_batch_is_filled_up_and_counts_its_samples() {
    let folder = folder(5);
    let fixed = loader(folder.path(), "none", &model(4), LoaderOptions { batch: 32, ..Default::default() });
    let last = fixed.batches().last().unwrap().unwrap();
    assert_eq!((last.len(), last.inputs[0].1.shape()), (1, &[4, 3, HEIGHT, WIDTH][..]));
    let rows = last.inputs[0].1.as_f32().unwrap().chunks(3 * HEIGHT * WIDTH);
    assert!(rows.map(|r| r[0]).all(|v| v == last.inputs[0].1.as_f32().unwrap()[0]));
    let dropped = loader(folder.path(), "none", &model(4), LoaderOptions { drop_last: true, ..Default::default() });
    assert_eq!(dropped.batches().count(), 1);
}

#[test]
fn bad_samples_are_named_and_left_out_up_to_a_limit() {
    let folder = folder(20);
    put(folder.path(), "1/004.jpg", b"no image");
    put(folder.path(), "2/005.jpg", &jpeg(5)[..200]);
    let options = |max_bad| LoaderOptions { batch: 6, max_bad, ..Default::default() };
    let mut batches = loader(folder.path(), "none", &model(-1), options(0.1)).batches();
    let sizes: Vec<usize> = (&mut batches).map(|b| b.unwrap().len()).collect();
    assert_eq!(sizes, [6, 6, 6]);
    let bad: Vec<&str> = batches.bad().iter().map(|b| b.name.as_str()).collect();
    assert_eq!(bad, ["1/004.jpg", "2/005.jpg"]);
    let mut batches = loader(folder.path(), "none", &model(-1), options(0.05)).batches();
    let error = batches.find_map(Result::err).unwrap().to_string();
    assert!(error.contains("2 of") && error.contains("1 allowed") && error.contains("1/004.jpg"), "{error}");
    assert!(batches.next().is_none());
}

#[test]
fn a_batch_has_targets_names_and_frames() {
    let folder = folder(4);
    let all = loader(folder.path(), "unit", &model(-1), LoaderOptions::default());
    let batch = all.batches().next().unwrap().unwrap();
    assert_eq!(batch.targets, [0, 0, 1, 2].map(Label::Class));
    assert_eq!(batch.names[1], "0/003.jpg");
    assert_eq!(batch.frames[0].size, [WIDTH, HEIGHT]);
    assert_eq!(all.classes(), ["0", "1", "2"]);
    let tensor = &batch.inputs[0].1;
    assert_eq!(tensor.as_f32().unwrap()[3 * HEIGHT * WIDTH], 3.0 / 255.0);
}

#[test]
fn tokens_are_levelled_and_their_mask_follows() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "t.jsonl", "[5, 6, 7]\n{\"input_ids\": [8], \"label\": 1}\n");
    let set = || open(folder.path(), "");
    let inputs = |length| {
        let names = ["input_ids", "attention_mask", "token_type_ids", "position_ids"];
        names.map(|n| io(n, if n == "position_ids" { DType::Int32 } else { DType::Int64 }, &[-1, length]))
    };
    let values = |set: Box<dyn Dataset>, how: Option<&Preprocess>, inputs: &[IoInfo]| {
        let loader = Loader::new(set, how, inputs, LoaderOptions::default()).unwrap();
        let batch = loader.batches().next().unwrap().unwrap();
        batch.inputs.iter().map(|(_, t)| t.to_f64_vec()).collect::<Vec<_>>()
    };
    let open_length = values(set(), None, &inputs(-1));
    assert_eq!(open_length[0], [5.0, 6.0, 7.0, 8.0, 0.0, 0.0]);
    assert_eq!(open_length[1], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(open_length[2], [0.0; 6]);
    assert_eq!(open_length[3], [0.0, 1.0, 2.0, 0.0, 0.0, 0.0]);
    let padded = Preprocess::parse(r#"{"tokens": {"pad": 9}}"#).unwrap();
    let fixed = values(set(), Some(&padded), &inputs(2));
    assert_eq!((&fixed[0], &fixed[1]), (&vec![5.0, 6.0, 8.0, 9.0], &vec![1.0, 1.0, 1.0, 0.0]));
    let one = values(set(), None, &[io("whatever", DType::Int64, &[-1, -1])]);
    assert_eq!(one[0], [5.0, 6.0, 7.0, 8.0, 0.0, 0.0]);
}

#[test]
fn tensors_go_to_inputs_by_name_and_type() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "b.npy", npy("<f4", "(2, 1)", &floats(&[1.0, 2.0])));
    put(folder.path(), "x.npy", npy("|u1", "(2, 3)", &[1, 2, 3, 4, 5, 6]));
    let inputs = [io("a", DType::Float16, &[-1, 3]), io("b", DType::Double, &[-1, 1])];
    let loader = Loader::new(open(folder.path(), ""), None, &inputs, LoaderOptions::default()).unwrap();
    let batch = loader.batches().next().unwrap().unwrap();
    assert_eq!(batch.inputs[0].1.to_f64_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!((batch.inputs[0].1.dtype(), batch.inputs[1].1.dtype()), (DType::Float16, DType::Double));
    assert_eq!(batch.inputs[1].1.to_f64_vec(), [1.0, 2.0]);
}
