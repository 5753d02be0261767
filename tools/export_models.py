#!/usr/bin/env python3
"""Export the models of the zoo to ONNX with both exporters of PyTorch.

Every model gives up to three files:

* ``NAME_dynamo.onnx``: the default exporter (``dynamo=True``);
* ``NAME_ts.onnx``: the TorchScript exporter, BatchNorm folded into convolutions;
* ``NAME_tsbn.onnx``: the same with BatchNormalization kept (where the zoo asks for it).

The batch dimension is dynamic, named ``batch``; where an exporter cannot do that the
file has batch 1 and its line says so. Where the file of the default exporter is not
valid, it is made again without its optimizer. Each file is run in onnxruntime against PyTorch
before it is put in place, unless --quick is given, which also calibrates on two samples
only: that is enough where a file is the reference for its own pruned form. Weights are random, seeded and the same on every run.

Each file is made by a process of its own, and how it went is a line of ``.exports.jsonl``
beside the files. What exists or has failed is not tried again without --force.

Usage: python tools/export_models.py [SOURCE ...] [--out DIR] [--only GLOB ...]
       [--variants ts dynamo tsbn] [--list] [--force] [--quick]
       [--bare] [--threads N] [--limit SECONDS]

A source is a file of ``tools/zoo``; the default is ``matrix``. The files of other sources
lie in a folder of the source's name inside DIR.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import logging
import multiprocessing
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.onnx import TrainingMode

import zoo
from zoo.entry import Entry

VARIANTS = ("dynamo", "ts", "tsbn")
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "target" / "models"
TABLE = ".exports.jsonl"
TOLERANCE = 1e-3  # of the largest absolute output
INLINE_LIMIT = 1_800_000_000  # bytes of weights in one file; more become external data
QUICK_BATCH = 2  # for calibration with --quick
STACK_TRACE = "pkg.torch.onnx.stack_trace"
OUTPUT = "output"

Example = dict[str, Tensor]


@dataclass
class Export:
    """One file, and how its export went."""

    name: str
    variant: str
    ok: bool = False
    dynamic: bool = False
    notes: list[str] = field(default_factory=list)
    opset: int = 0
    size: int = 0  # bytes
    difference: float | None = None
    scale: float | None = None  # the largest output
    seconds: float = 0.0

    def text(self) -> str:
        head = f"{self.name:28} {self.variant:6} {self.seconds:6.1f} s"
        if not self.ok:
            return " ".join([head, " ERROR ", *self.notes])
        static = [] if self.dynamic else ["STATIC BATCH 1", *self.notes]
        checked = [] if self.scale is None else [f"max diff {self.difference:.1e} of {self.scale:.3g}"]
        size = f"{self.size / 1e6:7.1f} MB"
        return " ".join([f"{head} opset {self.opset} {size}  ok ", *checked, *static])


class Attempt(NamedTuple):
    """One way to export a variant, from the one that is wanted to the last resort."""

    dynamic: bool
    optimize: bool = True  # with the default exporter's optimizer, which may leave invalid nodes

    def __str__(self) -> str:
        return f"{'dynamic' if self.dynamic else 'static'} batch{'' if self.optimize else ', not optimized'}"


def attempts(entry: Entry, variant: str) -> list[Attempt]:
    batches = (True, False) if entry.open_batch else (False,)
    ways = (True, False) if variant == "dynamo" else (True,)
    return [Attempt(dynamic, optimize) for dynamic in batches for optimize in ways]


def export(
    model: nn.Module, entry: Entry, example: Example, variant: str, attempt: Attempt, path: Path
) -> None:
    """Write `model` to `path` with the exporter and settings of `variant`."""
    dynamic = attempt.dynamic
    names = {"input_names": list(example), "output_names": [OUTPUT]}
    values = tuple(example.values())
    if variant == "dynamo":
        shapes = None
        if dynamic:
            # Torch specialises sizes of 1, so a dynamic batch is traced with two samples.
            values = tuple(x.repeat(2, *[1] * (x.dim() - 1)) for x in values)
            dims = {s: torch.export.Dim(s) for name in example for s in entry.dynamic_axes(name).values()}
            shapes = tuple({a: dims[s] for a, s in entry.dynamic_axes(name).items()} for name in example)
        torch.onnx.export(
            model, values, path, dynamo=True, external_data=large(model), dynamic_shapes=shapes,
            optimize=attempt.optimize, verbose=False, **names,
        )  # fmt: skip
        return
    keep = variant == "tsbn"
    axes = {name: entry.dynamic_axes(name) for name in (*example, OUTPUT)} if dynamic else None
    # Weights beyond 2 GB are written beside a path that is a string only.
    torch.onnx.export(
        model, values, str(path), dynamo=False, dynamic_axes=axes,
        training=TrainingMode.PRESERVE if keep else TrainingMode.EVAL,
        do_constant_folding=not keep, **names,
    )  # fmt: skip


def large(model: nn.Module) -> bool:
    return sum(p.numel() * p.element_size() for p in model.parameters()) > INLINE_LIMIT


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


def strip(model: onnx.ModelProto, bare: bool) -> None:
    """Remove doc strings and whatever metadata names files of the exporting machine, or all metadata."""

    def clean(item: Any) -> None:  # any message with a doc string and metadata
        item.ClearField("doc_string")
        for i in reversed(range(len(item.metadata_props))):
            entry = item.metadata_props[i]
            if bare or entry.key == STACK_TRACE or ".py" in entry.value:
                del item.metadata_props[i]

    clean(model)
    for graph in graphs_of(model):
        clean(graph)
        values = [*graph.value_info]
        if isinstance(graph, onnx.GraphProto):
            values += [*graph.input, *graph.output, *graph.initializer]
        for item in [*graph.node, *values]:
            clean(item)


def check(path: Path, model: nn.Module, entry: Entry, dynamic: bool) -> tuple[float, float]:
    """Compare the file with `model`: the largest difference and the largest output."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = torch.Generator().manual_seed(1)
    worst = scale = 0.0
    tried = ((1, entry.inputs), (3, entry.longer or entry.inputs))
    for batch, inputs in tried if dynamic else tried[:1]:
        values = inputs(rng, batch)
        with torch.no_grad():
            want = zoo.first_tensor(model(*values.values()))
        given = {i.name for i in session.get_inputs()}  # an exporter may drop an unused one
        feed = {name: x.numpy() for name, x in values.items() if name in given}
        got = torch.from_numpy(session.run(None, feed)[0])
        if got.shape != want.shape:
            raise ValueError(f"shape {tuple(got.shape)}, not {tuple(want.shape)}")
        if want.numel():
            worst = max(worst, float((got - want).abs().max()))
            scale = max(scale, float(want.abs().max()))
    if not worst <= TOLERANCE * scale:
        raise ValueError(f"differs by {worst:.2g} at outputs up to {scale:.2g}")
    return worst, scale


def one_line(error: BaseException) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # some errors come in colours
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    # The default exporter puts the cause under a list of what it tried.
    cause = next((line for line in lines if "Exception summary" in line), None)
    chosen = lines[lines.index(cause) + 1 :] if cause else lines
    return f"{type(error).__name__}: {(chosen or [''])[0][:160]}"


class Way(NamedTuple):
    """How files are made."""

    out: Path
    threads: int
    limit: float  # seconds for one file
    quick: bool
    bare: bool = False  # without metadata


def export_file(made: Export, model: nn.Module, example: Example, entry: Entry, way: Way) -> None:
    """Export, clean and check one file, and put it in place."""
    out = way.out
    final = out / f"{made.name}_{made.variant}.onnx"
    for attempt in attempts(entry, made.variant):
        try:
            with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
                path = Path(folder) / "raw" / final.name
                path.parent.mkdir()
                export(model, entry, example, made.variant, attempt, path)
                external = large(model)
                proto = onnx.load(path)
                strip(proto, way.bare)
                path = Path(folder) / final.name
                onnx.save(
                    proto, path, save_as_external_data=external,
                    location=f"{final.name}.data" if external else None,
                )  # fmt: skip
                made.opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
                del proto
                onnx.checker.check_model(path)
                if not way.quick:
                    made.difference, made.scale = check(path, model, entry, attempt.dynamic)
                made.size = sum(p.stat().st_size for p in Path(folder).glob(f"{final.name}*"))
                for part in sorted(Path(folder).glob(f"{final.name}*"), reverse=True):
                    part.replace(out / part.name)
        except Exception as error:  # one model must not stop the others
            made.notes.append(f"{attempt}: {one_line(error)}")
            continue
        made.ok, made.dynamic = True, attempt.dynamic
        return


def work(entry: Entry, name: str, variant: str, way: Way) -> None:
    """Make one file and add its line to the table; the whole life of a child process."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(way.threads)
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel has no ONNX form
    start = time.monotonic()
    made = Export(name, variant)
    try:
        batch = QUICK_BATCH if way.quick else zoo.CALIBRATION_BATCH
        model, example = zoo.realise(entry, batch)
        export_file(made, model, example, entry, way)
    except Exception as error:
        made.notes.append(f"not built: {one_line(error)}")
    made.seconds = round(time.monotonic() - start, 1)
    record(made, way.out)


def record(made: Export, out: Path) -> None:
    with (out / TABLE).open("a") as table:
        table.write(json.dumps(asdict(made)) + "\n")
    print(made.text(), flush=True)


def tried(out: Path) -> list[tuple[str, str]]:
    """The files whose export is in the table of `out`."""
    table = out / TABLE
    lines = table.read_text().splitlines() if table.exists() else []
    return [(row["name"], row["variant"]) for row in map(json.loads, lines)]


def make(entry: Entry, name: str, variant: str, way: Way) -> None:
    """Make one file in a process of its own, which may die or take too long."""
    start = time.monotonic()
    before = tried(way.out).count((name, variant))
    context = multiprocessing.get_context("fork")
    child = context.Process(target=work, args=(entry, name, variant, way))
    child.start()
    child.join(way.limit)
    if child.is_alive():
        child.kill()
        child.join()
        why = f"not done after {way.limit:.0f} s"
    else:
        why = f"the process ended with code {child.exitcode}"
    if tried(way.out).count((name, variant)) == before:
        seconds = round(time.monotonic() - start, 1)
        record(Export(name, variant, notes=[why], seconds=seconds), way.out)


def main() -> int:
    parser = argparse.ArgumentParser(description="Export the models of the zoo to ONNX.")
    parser.add_argument("sources", nargs="*", default=["matrix"], metavar="SOURCE")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the files")
    parser.add_argument("--only", nargs="+", metavar="GLOB", default=["*"], help="as NAME_VARIANT")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--list", action="store_true", help="list the files and stop")
    parser.add_argument("--force", action="store_true", help="export again what was tried")
    parser.add_argument("--threads", type=int, default=1, help="threads used by PyTorch")
    parser.add_argument("--quick", action="store_true", help="no comparison with PyTorch")
    parser.add_argument("--bare", action="store_true", help="without metadata")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for one file")
    args = parser.parse_args()

    failed = False
    for source in args.sources:
        out = args.out if source == "matrix" else args.out / source
        if not args.list:
            out.mkdir(parents=True, exist_ok=True)
        done = [] if args.force or args.list else tried(out)
        way = Way(out, args.threads, args.limit, args.quick, args.bare)
        for name, entry in zoo.models(source).items():
            for variant in args.variants:
                if variant == "tsbn" and not entry.batch_norm:
                    continue
                file = f"{name}_{variant}"
                if not any(fnmatch.fnmatch(file, glob) for glob in args.only):
                    continue
                if args.list:
                    print(file)
                elif args.force or not ((name, variant) in done or (out / f"{file}.onnx").exists()):
                    make(entry, name, variant, way)
                    failed |= not (out / f"{file}.onnx").exists()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
