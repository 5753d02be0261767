#!/usr/bin/env python3
"""Export models that have several inputs, with both exporters of PyTorch.

A case of `zoo/huggingface.py`, `zoo/diffusers.py` or `zoo/ultralytics.py` gives
``NAME_ts.onnx`` and ``NAME_dynamo.onnx``. Every open dimension stays open: batch, and
the lengths of texts. Each file is run in onnxruntime against PyTorch at two batch sizes
and two lengths before it is put in place; what an exporter cannot do is written beside
the files, in ``NAME_VARIANT.error``.

Usage: python tools/export_cases.py [--out DIR] [--only GLOB] [--variants ts dynamo]
       [--sources NAME ...] [--force]
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import logging
import sys
import tempfile
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from export_models import TOLERANCE, one_line, strip
from zoo.ports import Case

SOURCES = ("huggingface", "diffusers", "ultralytics")
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "target" / "models" / "cases"
# Sizes at which a model is traced, and those at which the file is run.
TRACED = {"batch": 2, "tokens": 12, "targets": 7}
TRIED = ({"batch": 1, "tokens": 9, "targets": 5}, {"batch": 3, "tokens": 16, "targets": 8})


def flat(value: Any) -> list[Tensor]:
    """All tensors of an answer, in order."""
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [t for item in items if item is not None for t in flat(item)]


def build(name: str, case: Case) -> nn.Module:
    """The model in eval mode, with the same weights on every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()))
        model = case.make().eval()
        rng = torch.Generator().manual_seed(1)
        for module in model.modules():
            for key, p in module.named_parameters(recurse=False):
                # Norms start at ones and biases at zeros: nothing that pruning would have to follow.
                if bool((p == p.flatten()[0]).all()):
                    noise = torch.randn(p.shape, generator=rng)
                    p.data = p.data + (0.2 if key == "weight" else 0.1) * noise
    return model


def export(model: nn.Module, case: Case, variant: str, path: Path) -> None:
    rng = torch.Generator().manual_seed(2)
    args = tuple(p.sample(TRACED, rng) for p in case.ports)
    names = [p.name for p in case.ports]
    common: dict[str, Any] = {"input_names": names, "external_data": False, "verbose": False}
    if variant == "dynamo":
        dims = {s: torch.export.Dim(s) for p in case.ports for s in p.open().values()}
        shapes = tuple({a: dims[s] for a, s in p.open().items()} for p in case.ports)
        if isinstance(model.forward.__code__.co_varnames, tuple) and model.forward.__code__.co_flags & 4:
            shapes = (shapes,)  # forward(*args) takes one tuple of shapes
        torch.onnx.export(model, args, path, dynamo=True, dynamic_shapes=shapes, **common)
        return
    with torch.no_grad():
        outputs = [f"output_{i}" for i in range(len(flat(model(*args))))]
    outputs[0] = "output"
    axes: dict[str, dict[int, str]] = {p.name: p.open() for p in case.ports}
    torch.onnx.export(
        model, args, path, dynamo=False, opset_version=17, dynamic_axes=axes, output_names=outputs, **common
    )


def check(path: Path, model: nn.Module, case: Case) -> float:
    """The largest difference between file and model, as a share of the largest output."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = torch.Generator().manual_seed(3)
    wanted = {i.name for i in session.get_inputs()}
    worst = 0.0
    for sizes in TRIED:
        args = [p.sample(sizes, rng) for p in case.ports]
        with torch.no_grad():
            want = flat(model(*args))
        feed = {p.name: a.numpy() for p, a in zip(case.ports, args, strict=True) if p.name in wanted}
        got = session.run(None, feed)
        for w, g in zip(want, got, strict=False):
            if tuple(w.shape) != g.shape:
                raise ValueError(f"shape {g.shape}, not {tuple(w.shape)}")
            share = float((w - torch.from_numpy(g)).abs().max() / w.abs().max().clamp(min=1e-6))
            worst = max(worst, share)
    if not worst <= TOLERANCE:
        raise ValueError(f"differs by {worst:.2g} of the largest output")
    return worst


def export_case(name: str, case: Case, variant: str, model: nn.Module, out: Path) -> bool:
    start = time.monotonic()
    final = out / f"{name}_{variant}.onnx"
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
            path = Path(folder) / final.name
            export(model, case, variant, path)
            proto = onnx.load(path)
            strip(proto)
            onnx.save(proto, path)
            worst = check(path, model, case)
            path.replace(final)
    except Exception as error:  # one model must not stop the others
        final.with_suffix(".error").write_text(one_line(error) + "\n")
        print(f"{name:24} {variant:6} {time.monotonic() - start:6.1f} s  ERROR {one_line(error)}", flush=True)
        return False
    final.with_suffix(".error").unlink(missing_ok=True)
    print(
        f"{name:24} {variant:6} {final.stat().st_size / 1e6:7.1f} MB "
        f"{time.monotonic() - start:6.1f} s  ok  {worst:.1e}",
        flush=True,
    )
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Export models that have several inputs.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--only", metavar="GLOB", default="*")
    parser.add_argument("--variants", nargs="+", default=["ts", "dynamo"])
    parser.add_argument("--sources", nargs="+", default=list(SOURCES))
    parser.add_argument("--force", action="store_true", help="export again what exists or failed")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for source in args.sources:
        for name, case in importlib.import_module(f"zoo.{source}").CASES.items():
            todo = [v for v in args.variants if fnmatch.fnmatch(f"{name}_{v}", args.only)]
            made = [args.out / f"{name}_{v}" for v in todo]
            if not args.force:
                ready = (any(m.with_name(m.name + e).exists() for e in (".onnx", ".error")) for m in made)
                todo = [v for v, done in zip(todo, list(ready), strict=True) if not done]
            if not todo:
                continue
            try:
                model = build(name, case)
            except Exception as error:
                print(f"{name:24} cannot be built: {one_line(error)}", flush=True)
                failed = True
                continue
            for variant in todo:
                failed |= not export_case(name, case, variant, model, args.out)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
