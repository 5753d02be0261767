//! What goes in comes out: loading, saving, tensors cut and zeroed.

use std::path::{Path, PathBuf};

use crate::common::*;
use bytes::Bytes;
use onnx_prune::onnx::proto::*;
use onnx_prune::onnx::{self, DType, Error, Model, SaveOptions, WeightLayout};
use proptest::prelude::*;
use prost::Message;

fn options(layout: WeightLayout) -> SaveOptions {
    SaveOptions { layout, ..SaveOptions::default() }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn decode(path: &Path) -> ModelProto {
    ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap()
}

fn write_sample(folder: &Path) -> PathBuf {
    let path = folder.join("m.onnx");
    std::fs::write(&path, bytes(&sample())).unwrap();
    path
}

#[test]
fn an_unmodified_model_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    let model = Model::load(&path).unwrap();
    assert_eq!((model.proto.clone(), model.warnings.len()), (sample(), 0));
    assert_eq!(model.file_bytes, std::fs::metadata(&path).unwrap().len());
    let out = folder.path().join("out.onnx");
    let written = onnx::save(&model, &out, &SaveOptions::default()).unwrap();
    assert_eq!(decode(&out), sample());
    assert_eq!((written, names(folder.path())), (model.file_bytes, vec!["m.onnx".into(), "out.onnx".into()]));
    let mut stream = Vec::new();
    assert_eq!(onnx::write_to(&model, &mut stream).unwrap(), written);
    assert_eq!(stream, std::fs::read(&out).unwrap());
}

#[test]
fn presence_of_default_values_survives() {
    let mut m = sample();
    m.producer_version = Some(String::new());
    m.model_version = Some(0);
    let g = m.graph.as_mut().unwrap();
    g.node[0].name = Some(String::new());
    g.node[0].attribute.push(AttributeProto { name: Some("alpha".into()), f: Some(0.0), ..Default::default() });
    g.initializer[0].doc_string = Some(String::new());
    g.initializer[1].raw_data = Some(Bytes::new());
    g.initializer.push(TensorProto { raw_data: Some(Bytes::new()), ..onnx::from_i64("none", &[0], &[]).unwrap() });
    let mut out = Vec::new();
    onnx::write_to(&Model::from_bytes(bytes(&m)).unwrap(), &mut out).unwrap();
    assert_eq!(ModelProto::decode(out.as_slice()).unwrap(), m);
}

#[test]
fn weights_are_slices_of_the_file() {
    let whole = bytes(&sample());
    let range = whole.as_ptr_range();
    let model = Model::from_bytes(whole.clone()).unwrap();
    assert!(range.contains(&model.graph().unwrap().initializer[0].raw_data.as_ref().unwrap().as_ptr()));
}

#[test]
fn unknown_fields_are_named_and_kept_where_they_can_be() {
    let field = |number: u32, content: &[u8]| {
        let mut out = Vec::new();
        prost::encoding::bytes::encode(number, &content.to_vec(), &mut out);
        out
    };
    let mut graph = sample().graph.unwrap().encode_to_vec();
    graph.extend(field(1, &[node("Relu", &["y"], &["z"]).encode_to_vec(), field(99, b"n"), field(99, b"n")].concat()));
    graph.extend(field(77, b"of the graph"));
    let mut whole = ModelProto { graph: None, ..sample() }.encode_to_vec();
    whole.extend(field(7, &graph));
    whole.extend(field(1000, b"of the model"));
    whole.extend([0xf8, 0x3e, 0x05]); // field 1007, varint 5
    let model = Model::from_bytes(whole.clone().into()).unwrap();
    let expected = [
        "ModelProto.graph: field 77 of GraphProto is not in the known format, it is kept",
        "ModelProto: field 1000 of ModelProto is not in the known format, it is kept",
        "ModelProto: field 1007 of ModelProto is not in the known format, it is kept",
        "ModelProto.graph.node[5]: field 99 of NodeProto is not in the known format, it is dropped and 1 more",
    ];
    assert_eq!(model.warnings, expected);
    let mut out = Vec::new();
    onnx::write_to(&model, &mut out).unwrap();
    let again = Model::from_bytes(out.into()).unwrap();
    assert_eq!((again.unknown, again.warnings), (model.unknown, expected[..3].iter().map(|s| s.to_string()).collect()));
}

#[test]
fn external_layout_is_kept_and_may_replace_its_own_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    let inline = Model::load(&path).unwrap();
    onnx::save(&inline, &path, &options(WeightLayout::External)).unwrap();
    assert_eq!(names(folder.path()), ["m.onnx", "m.onnx.data"]);
    let stored = decode(&path).graph.unwrap();
    assert_eq!(stored.initializer[0].external_data[0].value(), "m.onnx.data");
    assert!(stored.initializer[1].data_location.is_none(), "typed data stays");

    // Onto itself, again and again, while the earlier map is in use.
    let mut models = vec![Model::load(&path).unwrap()];
    for _ in 0..3 {
        onnx::save(models.last().unwrap(), &path, &SaveOptions::default()).unwrap();
        models.push(Model::load(&path).unwrap());
        assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
    }
    for model in &models {
        assert_eq!((&model.proto, model.external.is_some()), (&sample(), true));
    }
    let total: u64 = names(folder.path()).iter().map(|n| folder.path().join(n).metadata().unwrap().len()).sum();
    assert_eq!(models.last().unwrap().file_bytes, total);

    // Back into one file: the data file goes with the model it belonged to.
    onnx::save(&models[3], &path, &options(WeightLayout::Inline)).unwrap();
    assert_eq!((names(folder.path()), decode(&path)), (vec!["m.onnx".to_string()], sample()));
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    std::fs::write(folder.path().join("m.onnx.data"), b"of someone else").unwrap();
    let model = Model::load(&path).unwrap();
    onnx::save(&model, &path, &options(WeightLayout::External)).unwrap();
    assert_eq!(names(folder.path()), ["m.onnx", "m.onnx.1.data", "m.onnx.data"]);
    assert_eq!(std::fs::read(folder.path().join("m.onnx.data")).unwrap(), b"of someone else");
    assert_eq!(Model::load(&path).unwrap().proto, sample());
}

/// A model in two files, and a copy of its first file.
fn external_with_copy(copy: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    onnx::save(&Model::load(&path).unwrap(), &path, &options(WeightLayout::External)).unwrap();
    let copy = folder.path().join(copy);
    std::fs::copy(&path, &copy).unwrap();
    (folder, path, copy)
}

#[test]
fn weights_that_the_input_reads_stay() {
    for copy in ["backup.onnx", "backup"] {
        let (folder, path, copy) = external_with_copy(copy);
        let staged = onnx::stage(&Model::load(&copy).unwrap(), &path, &SaveOptions::default()).unwrap();
        assert!(staged.notes()[0].contains("m.onnx.data is kept: the input reads"), "{:?}", staged.notes());
        staged.commit().unwrap();
        assert!(folder.path().join("m.onnx.1.data").exists());
        for model in [&path, &copy] {
            assert_eq!(Model::load(model).unwrap().proto, sample(), "{}", model.display());
        }
        // The input's weights themselves are no place for a model.
        let data = folder.path().join("m.onnx.data");
        let error = onnx::save(&Model::load(&copy).unwrap(), &data, &SaveOptions::default()).unwrap_err();
        assert!(error.to_string().contains("weights of the input are in it"), "{error}");
        let link = folder.path().join("link");
        std::fs::hard_link(&data, &link).unwrap();
        assert!(onnx::save(&Model::load(&copy).unwrap(), &link, &SaveOptions::default()).is_err());
    }
}

#[test]
fn weights_that_another_model_reads_stay() {
    for copy in ["other.onnx", "m.onnx.bak", "other.ONNX"] {
        let (_folder, path, copy) = external_with_copy(copy);
        let staged = onnx::stage(&Model::load(&path).unwrap(), &path, &SaveOptions::default()).unwrap();
        let name = copy.file_name().unwrap().to_str().unwrap();
        assert!(staged.notes()[0].contains(&format!("{name} refers to it")), "{:?}", staged.notes());
        staged.commit().unwrap();
        assert_eq!(Model::load(&copy).unwrap().proto, sample());
    }
    // What may be a model counts as one, what cannot be does not.
    for (content, stays) in [("version https://git-lfs", true), ("", false)] {
        let (folder, path, copy) = external_with_copy("other.onnx");
        std::fs::write(copy, content).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "m.onnx.data").unwrap();
        onnx::save(&Model::load(&path).unwrap(), &path, &SaveOptions::default()).unwrap();
        assert_eq!(folder.path().join("m.onnx.data").exists(), stays);
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    std::fs::create_dir(folder.path().join("real")).unwrap();
    let (real, link) = (folder.path().join("real/out.onnx"), folder.path().join("link.onnx"));
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink("real/out.onnx", &link).unwrap();
    onnx::save(&Model::load(&path).unwrap(), &link, &SaveOptions::default()).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(decode(&real), sample());
    // Weights go beside the model itself, and are found there by way of the link.
    onnx::save(&Model::load(&path).unwrap(), &link, &options(WeightLayout::External)).unwrap();
    assert_eq!(names(&folder.path().join("real")), ["out.onnx", "out.onnx.data"]);
    assert_eq!(Model::load(&link).unwrap().proto, sample());
    assert_eq!(names(folder.path()), ["link.onnx", "m.onnx", "real"]);
}

#[test]
fn several_data_files_and_attributes_come_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut m = sample();
    let g = m.graph.as_mut().unwrap();
    let outside = |t: &mut TensorProto, file: &str, length: bool| {
        std::fs::write(folder.path().join(file), [vec![7u8; 64], t.raw_data.take().unwrap().to_vec()].concat())
            .unwrap();
        t.data_location = Some(1);
        let mut entries = vec![("location", file), ("offset", "64")];
        entries.extend(length.then_some(("length", "16")));
        t.external_data = entries
            .into_iter()
            .map(|(k, v)| StringStringEntryProto { key: Some(k.into()), value: Some(v.into()) })
            .collect();
    };
    outside(&mut g.initializer[0], "weights", false);
    outside(g.node[1].attribute[0].t.as_mut().unwrap(), "constants", true);
    let subgraph = g.node[4].attribute[1].g.as_mut().unwrap();
    outside(&mut subgraph.initializer[0], "body", false);
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, bytes(&m)).unwrap();
    let model = Model::load(&path).unwrap();
    assert_eq!(model.proto, sample());
    let layout = model.external.clone().unwrap();
    assert_eq!((layout.location.as_str(), layout.alignment, layout.attributes), ("weights", 64, true));
    let out = folder.path().join("out.onnx");
    let options = SaveOptions { external_from: 1, ..SaveOptions::default() };
    onnx::save(&model, &out, &options).unwrap();
    assert_eq!(Model::load(&out).unwrap().proto, sample());
    assert!(decode(&out).graph.unwrap().node[1].attribute[0].t.as_ref().unwrap().data_location.is_some());
}

#[test]
fn models_beyond_the_limit_go_outside_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load(write_sample(folder.path())).unwrap();
    let out = folder.path().join("big.onnx");
    let limited = |layout| SaveOptions { layout, inline_limit: 8000, ..SaveOptions::default() };
    assert!(matches!(onnx::save(&model, &out, &limited(WeightLayout::Inline)), Err(Error::Output { .. })));
    onnx::save(&model, &out, &limited(WeightLayout::AsInput)).unwrap();
    assert_eq!(names(folder.path()), ["big.onnx", "big.onnx.data", "m.onnx"]);
    assert_eq!(Model::load(&out).unwrap().proto, sample());
    let tiny = SaveOptions { inline_limit: 100, ..SaveOptions::default() };
    assert!(matches!(onnx::save(&model, &folder.path().join("no.onnx"), &tiny), Err(Error::Output { .. })));
    assert_eq!(names(folder.path()), ["big.onnx", "big.onnx.data", "m.onnx"]);
}

#[test]
fn staged_files_can_be_checked_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    let before = std::fs::read(&path).unwrap();
    let mut model = Model::load(&path).unwrap();
    model.graph_mut().unwrap().name = Some("changed".into());
    for layout in [WeightLayout::Inline, WeightLayout::External] {
        let staged = onnx::stage(&model, &path, &options(layout)).unwrap();
        assert_eq!(Model::load(staged.model_path()).unwrap().proto, model.proto);
        let leftover = names(folder.path()).remove(0);
        assert!(leftover.starts_with(".m.onnx.onnx-prune-") && leftover.ends_with(".tmp"), "{leftover}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        drop(staged);
        assert_eq!((names(folder.path()), std::fs::read(&path).unwrap()), (vec!["m.onnx".into()], before.clone()));
    }
}

#[test]
fn a_write_that_fails_leaves_the_target() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(buf.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let model = Model::from_bytes(bytes(&sample())).unwrap();
    let whole = bytes(&sample()).len();
    for room in (0..whole).step_by(997) {
        assert!(matches!(onnx::write_to(&model, &mut Full(room)), Err(Error::Output { .. })));
    }
    onnx::write_to(&model, &mut Full(whole)).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let save = |path: &Path| onnx::save(&model, path, &SaveOptions::default());
    assert!(matches!(save(folder.path()), Err(Error::Output { .. })));
    assert!(matches!(save(&folder.path().join("absent/m.onnx")), Err(Error::Output { .. })));
    assert!(matches!(save(Path::new("/")), Err(Error::Output { .. })));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn debug_information_is_found_and_removed() {
    let mut m = sample();
    let entry = |k: &str, v: &str| StringStringEntryProto { key: Some(k.into()), value: Some(v.into()) };
    let g = m.graph.as_mut().unwrap();
    let trace = "File \"/home/ann/train/net.py\", line 12, in forward";
    g.node[0].metadata_props = vec![entry("pkg.torch.onnx.stack_trace", trace), entry("mine", "stays")];
    g.node[2].doc_string = Some("reshapes".into());
    g.node[4].attribute[0].g.as_mut().unwrap().node[0].doc_string = Some(trace.into());
    let info = onnx::debug_info(&m);
    assert_eq!((info.nodes, info.example.as_deref()), (2, Some("/home/ann/train/net.py")));
    assert_eq!(onnx::strip_debug(&mut m), 2);
    assert_eq!(onnx::debug_info(&m), onnx::DebugInfo::default());
    let g = m.graph.unwrap();
    assert_eq!((g.node[0].metadata_props.len(), g.node[2].doc_string()), (1, "reshapes"));
}

#[test]
fn the_index_knows_makers_readers_and_captures() {
    let m = sample();
    let index = onnx::GraphIndex::new(m.graph.as_ref().unwrap()).unwrap();
    assert_eq!(index.producer["b"], (3, 0));
    assert_eq!(index.readers("shape"), [(2, 1)]);
    assert_eq!(index.initializer["flag"], 2);
    assert_eq!(index.captured.into_iter().collect::<Vec<_>>(), [("b".to_string(), vec![4])]);
    assert!(index.inputs.contains("x") && index.outputs.contains("y"));
}

#[test]
fn attributes_are_read_and_set() {
    let mut n = node("Conv", &[], &["y"]);
    onnx::set_attr_i(&mut n, "group", 4);
    onnx::set_attr_ints(&mut n, "pads", &[0, 1]);
    onnx::set_attr_i(&mut n, "group", 2);
    assert_eq!((onnx::attr_i(&n, "group"), onnx::attr_ints(&n, "pads")), (Some(2), Some(&[0i64, 1][..])));
    assert_eq!((onnx::attr_i(&n, "pads"), onnx::attr_f(&n, "group"), onnx::attr_s(&n, "none")), (None, None, None));
    assert!(onnx::remove_attr(&mut n, "group") && !onnx::remove_attr(&mut n, "group"));
}

const DTYPES: std::ops::RangeInclusive<i32> = 1..=28;

/// A tensor of any element type, raw or typed, with contents that tell positions apart.
fn tensor(dtype: DType, dims: &[usize], raw: bool) -> TensorProto {
    let count: usize = dims.iter().product();
    let mut t = TensorProto {
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: Some(dtype as i32),
        name: Some("t".into()),
        ..Default::default()
    };
    if raw && dtype != DType::String {
        t.raw_data = Some((0..dtype.bytes_for(count).unwrap()).map(|i| (i * 37 % 251) as u8).collect());
        return t;
    }
    let (double, packed) = (count * 2, |per: usize| count.div_ceil(per) as i32);
    match dtype {
        DType::Float => t.float_data = (0..count).map(|i| i as f32).collect(),
        DType::Complex64 => t.float_data = (0..double).map(|i| i as f32).collect(),
        DType::Double => t.double_data = (0..count).map(|i| i as f64).collect(),
        DType::Complex128 => t.double_data = (0..double).map(|i| i as f64).collect(),
        DType::Int64 => t.int64_data = (0..count as i64).collect(),
        DType::Uint32 | DType::Uint64 => t.uint64_data = (0..count as u64).collect(),
        DType::String => t.string_data = (0..count).map(|i| i.to_string().into_bytes()).collect(),
        DType::Uint4 | DType::Int4 | DType::Float4e2m1 => t.int32_data = (0..packed(2)).collect(),
        DType::Uint2 | DType::Int2 => t.int32_data = (0..packed(4)).collect(),
        _ => t.int32_data = (0..count as i32).map(|i| i % 64).collect(),
    }
    t
}

#[test]
fn every_element_type_survives_and_can_be_cut() {
    for (number, raw) in DTYPES.flat_map(|n| [(n, true), (n, false)]) {
        let dtype = DType::try_from(number).unwrap();
        let t = tensor(dtype, &[3, 5, 2], raw);
        let m = model(GraphProto { initializer: vec![t.clone()], ..Default::default() });
        let loaded = Model::from_bytes(bytes(&m)).unwrap();
        let mut out = Vec::new();
        onnx::write_to(&loaded, &mut out).unwrap();
        assert_eq!(ModelProto::decode(out.as_slice()).unwrap(), m, "{dtype:?}");

        assert_eq!(onnx::take(&t, &[None, None, None]).unwrap(), t);
        assert_eq!(onnx::take(&t, &[Some(&[0, 1, 2]), None, Some(&[0, 1])]).unwrap(), t);
        let cut = onnx::take(&t, &[Some(&[2, 0]), Some(&[1]), None]).unwrap();
        let numeric = !matches!(dtype, DType::String | DType::Complex64 | DType::Complex128);
        assert_eq!(onnx::to_f64_any(&t).is_ok(), numeric, "{dtype:?}");
        assert_eq!(onnx::to_i64(&t).is_ok(), dtype.is_int() && (dtype, raw) != (DType::Uint64, true), "{dtype:?}");
        // Elements narrower than a byte are packed anew.
        let is_raw = t.raw_data.is_some() || dtype.bits() % 8 != 0;
        assert_eq!((cut.dims.as_slice(), cut.raw_data.is_some()), (&[2i64, 1, 2][..], is_raw), "{dtype:?}");
        if numeric {
            let (all, some) = (onnx::to_f64_any(&t).unwrap(), onnx::to_f64_any(&cut).unwrap());
            let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
            assert!(some.iter().zip(&[all[22], all[23], all[2], all[3]]).all(same), "{dtype:?}");
        }
    }
}

#[test]
fn values_are_read_from_raw_and_typed_data() {
    let data: Vec<f32> = (0..100_000).map(|i| (i % 512) as f32 / 4.0 - 64.0).collect();
    for dtype in [DType::Float, DType::Double, DType::Float16, DType::Bfloat16] {
        let mut t = onnx::from_f32("t", &[100, 1000], &data, dtype).unwrap();
        let exact = if dtype == DType::Bfloat16 { 0.5 } else { 0.0 };
        let close = |v: &[f32]| v.len() == data.len() && v.iter().zip(&data).all(|(a, b)| (a - b).abs() <= exact);
        assert!(close(&onnx::to_f32(&t).unwrap()), "{dtype:?}");
        // A slice that starts at an odd address.
        let shifted = [&[0u8][..], t.raw_data()].concat();
        t.raw_data = Some(Bytes::from(shifted).slice(1..));
        assert!(close(&onnx::to_f32(&t).unwrap()), "{dtype:?} unaligned");
        if dtype.bits() == 16 {
            let raw = t.raw_data.take().unwrap();
            t.int32_data = raw.chunks(2).map(|c| i32::from(u16::from_le_bytes([c[0], c[1]]))).collect();
            assert!(close(&onnx::to_f32(&t).unwrap()), "{dtype:?} typed");
        }
    }
    let t = onnx::from_i64("i", &[3], &[i64::MIN, -1, i64::MAX]).unwrap();
    assert_eq!(onnx::to_i64(&t).unwrap(), [i64::MIN, -1, i64::MAX]);
    assert!(onnx::to_f32(&t).is_err());
    assert!(onnx::from_i64("i", &[2], &[1]).is_err());
    assert!(onnx::from_f32("i", &[1], &[1.0], DType::Int8).is_err());
}

#[test]
fn large_tensors_are_cut_on_all_cores_to_the_same_values() {
    let data: Vec<f32> = (0..1 << 22).map(|i| i as f32).collect();
    let t = onnx::from_f32("t", &[1, 64, 256, 256], &data, DType::Float).unwrap();
    let (rows, columns) = ((0..64).step_by(3).collect::<Vec<_>>(), (5..250).collect::<Vec<_>>());
    let cut = onnx::take(&t, &[None, Some(&rows), None, Some(&columns)]).unwrap();
    let cut = onnx::to_f32(&cut).unwrap().into_owned();
    let mut expected = Vec::new();
    for (r, y) in rows.iter().flat_map(|&r| (0..256).map(move |y| (r, y))) {
        expected.extend(columns.iter().map(|c| data[(r * 256 + y) * 256 + c]));
    }
    assert_eq!(cut, expected);
    assert!(onnx::take(&t, &[None, Some(&[64]), None, None]).is_err());
    assert!(onnx::take(&t, &[None]).is_err());
}

fn chosen(dims: Vec<usize>) -> impl Strategy<Value = (Vec<usize>, Vec<Option<Vec<usize>>>)> {
    let axes: Vec<_> = dims
        .iter()
        .map(|&d| proptest::option::of(proptest::collection::vec(0..d.max(1), 0..=if d == 0 { 0 } else { d + 1 })))
        .collect();
    (Just(dims), axes)
}

proptest! {
    #[test]
    fn take_and_zero_agree_with_a_loop(
        (dims, axes) in proptest::collection::vec(0usize..6, 0..5).prop_flat_map(chosen),
        dtype in prop::sample::select(vec![DType::Float, DType::Int64, DType::Uint8, DType::Bfloat16, DType::Complex64]),
        raw in any::<bool>(),
    ) {
        let t = tensor(dtype, &dims, raw);
        let keep: Vec<Option<&[usize]>> = axes.iter().map(Option::as_deref).collect();
        let (cut, zeroed) = (onnx::take(&t, &keep).unwrap(), onnx::zero(&t, &keep).unwrap());

        let kept: Vec<Vec<usize>> =
            axes.iter().zip(&dims).map(|(a, &d)| a.clone().unwrap_or_else(|| (0..d).collect())).collect();
        prop_assert_eq!(&cut.dims, &kept.iter().map(|k| k.len() as i64).collect::<Vec<_>>());
        let mut positions = vec![0usize];
        for (k, &d) in kept.iter().zip(&dims) {
            positions = positions.iter().flat_map(|p| k.iter().map(move |i| p * d + i)).collect();
        }
        let (source, target, nought) = (elements(&t), elements(&cut), elements(&zeroed));
        prop_assert_eq!(target, positions.iter().map(|&p| source[p].clone()).collect::<Vec<_>>());
        for (mut p, (before, after)) in source.iter().zip(&nought).enumerate() {
            let mut gone = false;
            for (axis, &d) in axes.iter().zip(&dims).rev() {
                gone |= axis.as_ref().is_some_and(|a| a.contains(&(p % d)));
                p /= d;
            }
            let expected = if gone { vec![0; before.len()] } else { before.clone() };
            prop_assert_eq!(after, &expected);
        }
    }
}

/// The bytes of each element.
fn elements(t: &TensorProto) -> Vec<Vec<u8>> {
    let count = onnx::len(t).unwrap();
    let all: Vec<u8> = match &t.raw_data {
        Some(raw) => raw.to_vec(),
        None => {
            let floats = t.float_data.iter().flat_map(|v| v.to_le_bytes());
            let ints = t.int32_data.iter().flat_map(|v| v.to_le_bytes());
            floats.chain(ints).chain(t.int64_data.iter().flat_map(|v| v.to_le_bytes())).collect()
        }
    };
    all.chunks(all.len().checked_div(count).unwrap_or(1)).map(<[u8]>::to_vec).collect()
}

const CHILD: &str = "ONNX_PRUNE_TEST_SAVE_TO";

/// Runs only as a child of the test below: saves over one file until it is killed.
#[test]
fn child_that_saves() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let layouts = [WeightLayout::External, WeightLayout::External, WeightLayout::Inline];
    for layout in layouts.into_iter().cycle() {
        onnx::save(&Model::load(&path).unwrap(), &path, &options(layout)).unwrap();
    }
}

#[test]
fn a_killed_save_leaves_a_whole_model() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = write_sample(folder.path());
    for round in 0..40 {
        let before = path.metadata().unwrap().ino();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "roundtrip::child_that_saves", "--nocapture"])
            .env(CHILD, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Once the first save is through, the kill falls somewhere into a later one.
        let started = std::time::Instant::now();
        while path.metadata().unwrap().ino() == before {
            assert!(started.elapsed().as_secs() < 60, "the child does not save");
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_micros(round * 377));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Model::load(&path).unwrap().proto, sample(), "round {round}");
    }
    // Where the kills fall is chance; each state that they can leave is made by hand in `files::staging`.
    // The next save removes what the killed ones were writing.
    onnx::save(&Model::load(&path).unwrap(), &path, &options(WeightLayout::External)).unwrap();
    assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
    onnx::save(&Model::load(&path).unwrap(), &path, &options(WeightLayout::Inline)).unwrap();
    assert_eq!(names(folder.path()), ["m.onnx"]);
}
