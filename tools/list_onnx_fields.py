"""Lists every protobuf field and enum value of the installed `onnx` package, one per line, sorted.

    python -m venv /tmp/venv && /tmp/venv/bin/pip install onnx
    /tmp/venv/bin/python tools/list_onnx_fields.py > schemas/onnx-fields.txt

The test `schema_covers_the_newest_release` compares the list with `schemas/onnx.proto`, in both directions.
"""

import onnx
from google.protobuf import descriptor_pb2

TYPES = {
    number: name[len("TYPE_") :].lower() for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()
}
LABELS = {
    number: name[len("LABEL_") :].lower() for name, number in descriptor_pb2.FieldDescriptorProto.Label.items()
}


def enum_lines(prefix, enum):
    for value in enum.value:
        yield f"{prefix}{enum.name}.{value.name} {value.number} value enum"


def message_lines(prefix, message):
    name = f"{prefix}{message.name}"
    for field in message.field:
        yield f"{name}.{field.name} {field.number} {TYPES[field.type]} {LABELS[field.label]}"
    for enum in message.enum_type:
        yield from enum_lines(f"{name}.", enum)
    for nested in message.nested_type:
        yield from message_lines(f"{name}.", nested)


def main():
    file = descriptor_pb2.FileDescriptorProto()
    onnx.ModelProto.DESCRIPTOR.file.CopyToProto(file)
    lines = [line for message in file.message_type for line in message_lines("", message)]
    lines += [line for enum in file.enum_type for line in enum_lines("", enum)]
    print(f"# onnx {onnx.__version__}, IR version {onnx.IR_VERSION}, opset {onnx.defs.onnx_opset_version()}")
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
