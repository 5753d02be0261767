//! Attributes of nodes, versions of operator sets.

use super::check::NEWEST_OPSET;
use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, ModelProto, NodeProto, TensorProto};

/// The attribute of that name.
pub fn attr<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name() == name)
}

/// An integer attribute; 0 when present with the default value left out.
pub fn attr_i(node: &NodeProto, name: &str) -> Option<i64> {
    attr(node, name).filter(|a| is(a, AttributeType::Int, a.i.is_some())).map(AttributeProto::i)
}

/// A list of integers.
pub fn attr_ints<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [i64]> {
    attr(node, name).filter(|a| is(a, AttributeType::Ints, !a.ints.is_empty())).map(|a| a.ints.as_slice())
}

/// A float attribute.
pub fn attr_f(node: &NodeProto, name: &str) -> Option<f32> {
    attr(node, name).filter(|a| is(a, AttributeType::Float, a.f.is_some())).map(AttributeProto::f)
}

/// A list of floats.
pub fn attr_floats<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [f32]> {
    attr(node, name).filter(|a| is(a, AttributeType::Floats, !a.floats.is_empty())).map(|a| a.floats.as_slice())
}

/// A string attribute; `None` when it is not UTF-8.
pub fn attr_s<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    let a = attr(node, name).filter(|a| is(a, AttributeType::String, a.s.is_some()))?;
    std::str::from_utf8(a.s()).ok()
}

/// A tensor attribute.
pub fn attr_t<'a>(node: &'a NodeProto, name: &str) -> Option<&'a TensorProto> {
    attr(node, name)?.t.as_ref()
}

/// Writers leave out the type (IR 1) or the value (a default); either tells.
fn is(a: &AttributeProto, wanted: AttributeType, present: bool) -> bool {
    match a.r#type {
        None | Some(0) => present,
        Some(number) => number == wanted as i32,
    }
}

/// Sets an integer attribute, in the place of an older one of that name.
pub fn set_attr_i(node: &mut NodeProto, name: &str, value: i64) {
    let value = AttributeProto { r#type: Some(AttributeType::Int as i32), i: Some(value), ..named(name) };
    replace(node, value);
}

/// Sets a float attribute, in the place of an older one of that name.
pub fn set_attr_f(node: &mut NodeProto, name: &str, value: f32) {
    let value = AttributeProto { r#type: Some(AttributeType::Float as i32), f: Some(value), ..named(name) };
    replace(node, value);
}

/// Sets a list of integers, in the place of an older attribute of that name.
pub fn set_attr_ints(node: &mut NodeProto, name: &str, values: &[i64]) {
    let value = AttributeProto { r#type: Some(AttributeType::Ints as i32), ints: values.to_vec(), ..named(name) };
    replace(node, value);
}

/// Sets a list of floats, in the place of an older attribute of that name.
pub fn set_attr_floats(node: &mut NodeProto, name: &str, values: &[f32]) {
    let value = AttributeProto { r#type: Some(AttributeType::Floats as i32), floats: values.to_vec(), ..named(name) };
    replace(node, value);
}

/// Removes an attribute; whether it was there.
pub fn remove_attr(node: &mut NodeProto, name: &str) -> bool {
    let before = node.attribute.len();
    node.attribute.retain(|a| a.name() != name);
    node.attribute.len() != before
}

fn named(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() }
}

fn replace(node: &mut NodeProto, mut new: AttributeProto) {
    match node.attribute.iter_mut().find(|a| a.name() == new.name()) {
        Some(old) => {
            new.doc_string = old.doc_string.take();
            *old = new;
        }
        None => node.attribute.push(new),
    }
}

/// Version of an operator set that the model imports: 0 for a domain that it does not import, the newest known for
/// the default domain. `""` and `"ai.onnx"` are the same domain.
pub fn opset(model: &ModelProto, domain: &str) -> i64 {
    imported(model, domain).unwrap_or(if plain(domain).is_empty() { NEWEST_OPSET } else { 0 })
}

pub(crate) fn imported(model: &ModelProto, domain: &str) -> Option<i64> {
    model.opset_import.iter().find(|o| plain(o.domain()) == plain(domain)).map(|o| o.version())
}

pub(crate) fn plain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}
