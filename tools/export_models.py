#!/usr/bin/env python3
"""Export the test models to ONNX with both exporters of PyTorch.

Every model gives up to three files:

* ``NAME_dynamo.onnx``: the default exporter (``dynamo=True``);
* ``NAME_ts.onnx``: the TorchScript exporter, BatchNorm folded into convolutions;
* ``NAME_tsbn.onnx``: the same with BatchNormalization kept (models that have it).

The batch dimension is dynamic, named ``batch``; where an exporter cannot do that the
file has batch 1 and its line says so. Each file is run in onnxruntime against PyTorch
before it is put in place. Weights are random, seeded and the same on every run.

Usage: python tools/export_models.py [--out DIR] [--only GLOB] [--list] [--force]
       [--threads N]
"""

from __future__ import annotations

import argparse
import fnmatch
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.onnx import TrainingMode

from model_zoo import MODELS, build, first_tensor

VARIANTS = ("dynamo", "ts", "tsbn")
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "target" / "models"
TOLERANCE = 1e-3  # of the largest absolute output
STACK_TRACE = "pkg.torch.onnx.stack_trace"
INPUT, OUTPUT = "input", "output"


def export(model: nn.Module, example: Tensor, variant: str, dynamic: bool, path: Path) -> None:
    """Write `model` to `path` with the exporter and settings of `variant`."""
    names = {"input_names": [INPUT], "output_names": [OUTPUT]}
    if variant == "dynamo":
        # Torch specialises sizes of 1, so a dynamic batch is traced with two images.
        args = example.repeat(2, 1, 1, 1) if dynamic else example
        shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
        torch.onnx.export(
            model, (args,), path, dynamo=True, external_data=False, dynamic_shapes=shapes,
            verbose=False, **names,
        )  # fmt: skip
        return
    keep = variant == "tsbn"
    axes = {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}} if dynamic else None
    torch.onnx.export(
        model, (example,), path, dynamo=False, dynamic_axes=axes,
        training=TrainingMode.PRESERVE if keep else TrainingMode.EVAL,
        do_constant_folding=not keep, **names,
    )  # fmt: skip


def graphs_of(model: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """The main graph, all nested graphs and the model's functions."""
    stack: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    while stack:
        graph = stack.pop()
        yield graph
        for node in graph.node:
            for attr in node.attribute:
                if attr.HasField("g"):
                    stack.append(attr.g)
                stack.extend(attr.graphs)


def strip(model: onnx.ModelProto) -> None:
    """Remove doc strings and whatever metadata names files of the exporting machine."""

    def clean(item: Any) -> None:  # any message with a doc string and metadata
        item.ClearField("doc_string")
        for i in reversed(range(len(item.metadata_props))):
            entry = item.metadata_props[i]
            if entry.key == STACK_TRACE or ".py" in entry.value:
                del item.metadata_props[i]

    clean(model)
    for graph in graphs_of(model):
        clean(graph)
        values = [*graph.value_info]
        if isinstance(graph, onnx.GraphProto):
            values += [*graph.input, *graph.output, *graph.initializer]
        for item in [*graph.node, *values]:
            clean(item)


def check(path: Path, model: nn.Module, example: Tensor, dynamic: bool) -> tuple[float, float]:
    """Compare the file with `model`: the largest difference and the largest output."""
    onnx.checker.check_model(path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = torch.Generator().manual_seed(1)
    worst = scale = 0.0
    for batch in (1, 3) if dynamic else (1,):
        x = torch.randn((batch, *example.shape[1:]), generator=rng)
        with torch.no_grad():
            want = first_tensor(model(x))
        got = torch.from_numpy(session.run(None, {INPUT: x.numpy()})[0])
        if got.shape != want.shape:
            raise ValueError(f"shape {tuple(got.shape)}, not {tuple(want.shape)}")
        worst = max(worst, float((got - want).abs().max()))
        scale = max(scale, float(want.abs().max()))
    if not worst <= TOLERANCE * scale:
        raise ValueError(f"differs by {worst:.2g} at outputs up to {scale:.2g}")
    return worst, scale


def one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"


def export_file(name: str, variant: str, model: nn.Module, example: Tensor, out: Path) -> bool:
    """Export, clean and check one file, move it to `out`, print its line."""
    start = time.monotonic()
    notes: list[str] = []
    final = out / f"{name}_{variant}.onnx"
    for dynamic in (True, False):
        try:
            with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
                path = Path(folder) / final.name
                export(model, example, variant, dynamic, path)
                proto = onnx.load(path)
                strip(proto)
                onnx.save(proto, path)
                worst, scale = check(path, model, example, dynamic)
                path.replace(final)
        except Exception as error:  # one model must not stop the others
            notes.append(f"{'dynamic' if dynamic else 'static'} batch: {one_line(error)}")
            continue
        opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
        print(
            f"{name:24} {variant:6} opset {opset} {final.stat().st_size / 1e6:7.1f} MB "
            f"{time.monotonic() - start:6.1f} s  ok  max diff {worst:.1e} of {scale:.3g}",
            *([] if dynamic else ["STATIC BATCH 1", *notes]),
            flush=True,
        )
        return True
    print(f"{name:24} {variant:6} {time.monotonic() - start:6.1f} s  ERROR ", *notes, flush=True)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Export the test models to ONNX.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the files")
    parser.add_argument("--only", metavar="GLOB", default="*", help="files, as NAME_VARIANT")
    parser.add_argument("--list", action="store_true", help="list the files and stop")
    parser.add_argument("--force", action="store_true", help="export again what exists")
    parser.add_argument("--threads", type=int, default=1, help="threads used by PyTorch")
    args = parser.parse_args()

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel has no ONNX form
    if not args.list:
        args.out.mkdir(parents=True, exist_ok=True)

    failed = False
    for name, source in MODELS.items():
        variants = VARIANTS if source.batch_norm else VARIANTS[:2]
        todo = [v for v in variants if fnmatch.fnmatch(f"{name}_{v}", args.only)]
        if args.list:
            for variant in todo:
                print(f"{name}_{variant}")
            continue
        if not args.force:
            todo = [v for v in todo if not (args.out / f"{name}_{v}.onnx").exists()]
        if not todo:
            continue
        model, example = build(name)
        for variant in todo:
            failed |= not export_file(name, variant, model, example, args.out)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
