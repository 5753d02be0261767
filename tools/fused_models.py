#!/usr/bin/env python3
"""Prune what onnxruntime's graph optimizer writes, and compare with the file it came from.

Every model is optimized at the levels basic and extended. The optimized file must have as
many groups of each kind and size, and as many MACs, as the original; pruned to the target
it must verify, and run in onnxruntime with the original's outputs.

Usage: python tools/fused_models.py [--models GLOB ...] [--folder DIR] [--transformers KIND]
       [--speedup 2x] [--binary PATH]

--transformers KIND (bert, gpt2, vit, …) also takes what onnxruntime's tool for transformers
writes for a model of that kind.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

import program
from model_checks import behaviour, compare, short

LEVELS = {
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
}


def optimize(model: Path, level: str, output: Path) -> None:
    """Write the model as onnxruntime's optimizer leaves it."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = LEVELS[level]
    options.optimized_model_filepath = str(output)
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def fuse(model: Path, kind: str, output: Path) -> None:
    """Write the model as onnxruntime's tool for transformers leaves it."""
    from onnxruntime.transformers import optimizer

    optimizer.optimize_model(str(model), model_type=kind, opt_level=0).save_model_to_file(
        str(output)
    )


def inspect(binary: Path, model: Path) -> dict[str, Any]:
    done = subprocess.run([binary, "inspect", "--json", model], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def groups(seen: dict[str, Any]) -> Counter[str]:
    return Counter(f"{g['kind']} {g['size']}" for g in seen["groups"])


def fused(model: Path) -> str:
    """The operators that are not of the default domain, with how often they occur."""
    proto = onnx.load(model, load_external_data=False)
    count = Counter(n.op_type for n in proto.graph.node if n.domain not in ("", "ai.onnx"))
    return ", ".join(f"{n} {op}" for op, n in sorted(count.items())) or "none of its own"


def difference(before: Counter[str], after: Counter[str]) -> str:
    gone, new = before - after, after - before
    lines = [f"without {n}x {g}" for g, n in gone.items()] + [f"with {n}x {g}" for g, n in new.items()]
    return ", ".join(lines)


def check(binary: Path, original: Path, model: Path, speedup: str) -> tuple[str, list[str]]:
    """What was reached, and what is wrong."""
    problems = []
    before, after = inspect(binary, original), inspect(binary, model)
    other = difference(groups(before), groups(after))
    if other:
        problems.append(f"groups: {other}")
    macs = after["model"]["macs"] / before["model"]["macs"]
    if abs(macs - 1) > 1e-3:
        problems.append(f"{macs:.4f} of the MACs")
    if after["model"]["without_rule"]:
        problems.append(f"no rule for {after['model']['without_rule']}")
    output = model.with_suffix(".pruned.onnx")
    library = ["--ort-library", str(program.onnxruntime_library())]
    options = ["--speedup", speedup, "--no-latency", "--runtime", "ort", *library]
    run = program.prune(binary, model, options, output)
    if run.report is None or run.done.code != program.PRUNED:
        return "-", [*problems, short(run.message)]
    verdict = run.report["verification"]
    if verdict is None:
        problems.append("not verified: " + "; ".join(run.report["warnings"]))
    runs = compare(behaviour(model, {}, 1), behaviour(output, {}, 1))
    problems += [f"batch {b}: {why}" for b, why in runs.items() if why]
    output.unlink(missing_ok=True)
    masked = f"{verdict['difference']:.1e}" if verdict else "-"
    return f"{run.report['speedup']:.3f}x, masked {masked}, runs {len(runs)}", problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["*"])
    parser.add_argument("--folder", type=Path, default=program.MODELS)
    parser.add_argument("--transformers")
    parser.add_argument("--speedup", default="2x")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    args = parser.parse_args()
    wanted = [
        p
        for p in sorted(args.folder.glob("*.onnx"))
        if any(fnmatch.fnmatch(p.stem, glob) for glob in args.models)
    ]
    failed = 0
    for original in wanted:
        ways = {level: (optimize, level) for level in LEVELS}
        if args.transformers:
            ways["transformers"] = (fuse, args.transformers)
        for name, (write, how) in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                model = Path(folder) / f"{original.stem}.onnx"
                try:
                    write(original, how, model)
                    operators = fused(model)
                    reached, problems = check(args.binary, original, model, args.speedup)
                except Exception as error:
                    operators, reached, problems = "-", "-", [short(error)]
            failed += bool(problems)
            verdict = f"FAIL {'; '.join(problems)}" if problems else "ok"
            print(f"{original.stem:34} {name:12} {reached:44} {verdict} ({operators})", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
