//! A walker over a JSON schema, for the words that the schemas of this project use.
#![allow(dead_code, reason = "each test binary uses a part")]

use serde_json::Value;

fn read(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What in `value` the schema of this name does not allow.
pub fn check(value: &Value, name: &str) -> Vec<String> {
    let (schema, mut out) = (read(name), Vec::new());
    violations(value, &schema, &schema, "report", &mut out);
    out
}

/// Every object of the schema names each of its keys as required, so that nothing is optional by oversight.
pub fn all_required(name: &str) {
    named(&read(name), "");
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("the schema says {other}"),
    }
}

fn violations(value: &Value, schema: &Value, root: &Value, at: &str, out: &mut Vec<String>) {
    if schema == &Value::Bool(false) {
        out.push(format!("{at}: not allowed"));
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        violations(value, root.pointer(&reference[1..]).unwrap(), root, at, out);
        return;
    }
    if let Some(all) = schema["oneOf"].as_array() {
        let fits = |one: &&Value| {
            let mut wrong = Vec::new();
            violations(value, one, root, at, &mut wrong);
            wrong.is_empty()
        };
        match all.iter().filter(fits).count() {
            1 => {}
            n => out.push(format!("{at}: {value} fits {n} of the forms")),
        }
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|k| k.as_str().unwrap()).collect(),
        other => panic!("{at}: type {other}"),
    };
    if !kinds.iter().any(|kind| is(value, kind)) {
        out.push(format!("{at}: {value} is no {kinds:?}"));
        return;
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        out.push(format!("{at}: {value} is not listed"));
    }
    if let Some(object) = value.as_object() {
        for key in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                out.push(format!("{at}: {key} is missing"));
            }
        }
        for (key, value) in object {
            let inner = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            violations(value, inner, root, &format!("{at}.{key}"), out);
        }
    }
    if let Some(array) = value.as_array() {
        let first = schema["prefixItems"].as_array().map_or(&[][..], Vec::as_slice);
        for (i, value) in array.iter().enumerate() {
            violations(value, first.get(i).unwrap_or(&schema["items"]), root, &format!("{at}[{i}]"), out);
        }
    }
}

fn named(schema: &Value, at: &str) {
    if let (Some(properties), None) = (schema["properties"].as_object(), schema.get("minProperties")) {
        let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
        let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(required, keys, "{at}");
    }
    match schema {
        Value::Object(object) => object.iter().for_each(|(k, v)| named(v, &format!("{at}/{k}"))),
        Value::Array(array) => array.iter().for_each(|v| named(v, at)),
        _ => {}
    }
}
