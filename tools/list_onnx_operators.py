"""Lists every operator of the installed `onnx` package in the default domain, one per line, sorted: its name and the
operator set that first had it; then, if it is gone, the one that deprecated it.

    python -m venv /tmp/venv && /tmp/venv/bin/pip install onnx
    /tmp/venv/bin/python tools/list_onnx_operators.py > schemas/onnx-operators.txt

The test `every_operator_has_an_answer` compares the list with the table in `src/ops/table.rs`.
"""

import onnx


def main():
    versions = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, []).append((schema.since_version, schema.deprecated))
    print(f"# onnx {onnx.__version__}, opset {onnx.defs.onnx_opset_version()}")
    for name, history in sorted(versions.items()):
        since, deprecated = max(history)
        print(f"{name} {min(history)[0]}" + (f" until {since}" if deprecated else ""))


if __name__ == "__main__":
    main()
