"""Time of models pruned for time against models pruned for MACs; the table of `docs/LATENCY.md`.

    python tools/latency_table.py MODEL ... [--target 2x] [--times FOLDER] [--seconds 10] [--binary PROGRAM]

Each model is pruned with `--latency TARGET`, with `--speedup TARGET` and with `--speedup TARGET --round-to 8`; then
another process, this one, times every result in turn with its original, with onnxruntime's defaults.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import program

WAYS = {
    "--latency": ["--latency"],
    "--speedup": ["--speedup"],
    "--speedup, --round-to 8": ["--round-to", "8", "--speedup"],
}


def inputs_of(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """Random inputs with batch 1; sizes left open are 1."""
    rng = np.random.default_rng(0)
    shapes = {i.name: [d if isinstance(d, int) else 1 for d in i.shape] for i in session.get_inputs()}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def compare(before: Path, after: Path, seconds: float) -> tuple[float, float, float]:
    """Median milliseconds of both, run in turn, and the median of the ratios."""
    sessions = [onnxruntime.InferenceSession(str(path)) for path in (before, after)]
    given = inputs_of(sessions[0])
    for session in sessions:
        for _ in range(5):
            session.run(None, given)
    times: tuple[list[float], list[float]] = ([], [])
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        # Which of the two goes first changes every round.
        first = len(times[0]) % 2
        for i in (first, 1 - first):
            clock = time.perf_counter()
            sessions[i].run(None, given)
            times[i].append(1e3 * (time.perf_counter() - clock))
    ratios = [b / a for b, a in zip(*times, strict=True)]
    return statistics.median(times[0]), statistics.median(times[1]), statistics.median(ratios)


def main() -> int:
    """Print the rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--target", default="2x")
    parser.add_argument("--times", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    args = parser.parse_args()
    print("| model | asked for | MACs | before | after | in the program | in another process | search |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        times = args.times or Path(folder) / "times"
        for model in args.models:
            for name, way in WAYS.items():
                output = Path(folder) / "out.onnx"
                output.unlink(missing_ok=True)
                run = program.prune(args.binary, model, [*way, args.target, "--times", str(times)], output)
                if run.report is None or not output.exists():
                    print(f"| {model.stem} | {name} | | | | {run.message} | | |", flush=True)
                    failed = True
                    continue
                before, after, ratio = compare(model, output, args.seconds)
                own = run.report["latency"]["pair"]["ratio"]
                macs, spent = run.report["speedup"], run.report["seconds"]["plan"]
                print(
                    f"| {model.stem} | {name} {args.target} | {macs:.2f}x | {before:.2f} ms | {after:.2f} ms "
                    f"| {own:.2f}x | {ratio:.2f}x | {spent:.1f} s |",
                    flush=True,
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
