"""Accuracy right after pruning, without training: the tables of `docs/RECOVERY.md`.

    python tools/recovery_table.py ablation MODEL DATA [--preprocess HOW] [--speedups 1.5x 2x 3x] [--seeds 0 1 2]
    python tools/recovery_table.py criteria MODEL DATA [--preprocess HOW] [--speedup 2x] [--only NAME ...]

`ablation` prunes with every setting of `SETTINGS`, once for each seed (which decides the calibration samples, too);
`criteria` with every criterion. What the data tells comes from --samples pictures of the training split, whose labels
are not used; accuracy is that of `onnx-prune eval` with onnxruntime on the test split. Prints a Markdown table.
"""

import argparse
import json
import resource
import subprocess
import tempfile
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parent.parent
CRITERIA = ["l1", "l2", "lamp", "fpgm", "bnscale", "random", "hrank", "cp", "thinet", "variance", "obs"]
SETTINGS = {
    "no data": None,
    "ranking, nothing else": ["--criterion", "l2", "--scheme", "protected-global", "--no-refit"],
    "ranking, statistics": ["--criterion", "l2", "--scheme", "protected-global", "--no-refit", "--recalibrate-bn"],
    "ranking, refit": ["--criterion", "l2", "--scheme", "protected-global"],
    "allocate, nothing else": ["--no-refit"],
    "allocate, statistics": ["--no-refit", "--recalibrate-bn"],
    "allocate, refit (default)": [],
}
SCHEMES = {
    "protected-global": ["--scheme", "protected-global", "--no-refit"],
    "protected-global, refit": ["--scheme", "protected-global"],
    "allocate": ["--no-refit"],
    "allocate, refit": [],
}


def data_options(args, split):
    options = ["--data", args.data if split != "test" else args.test or args.data, "--preprocess", args.preprocess]
    return options + (["--split", split] if not args.no_splits else [])


def pruned(args, options, speedup, seed, out):
    """Prunes the model; returns how long the processor took, in seconds."""
    command = [args.program, args.model, "--speedup", speedup, "--seed", str(seed), "-o", out, "-q", "--no-latency"]
    if options is not None:
        command += [*data_options(args, "train"), "--samples", str(args.samples), *options]
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = used()
    subprocess.run(command, check=True)
    return used() - before


def accuracy(args, models):
    """Share of right answers of each model on the test split, in percent."""
    command = [args.program, "eval", *models, *data_options(args, "test"), "--no-latency", "--json", "-q"]
    command += ["--samples", str(args.count)] if args.count else []
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    top = [next(f["value"] for f in m["figures"] if f["name"] == "top-1") for m in found["models"]]
    return [100 * t for t in top]


def table(args, rows, columns, options_of):
    """A row per name, a column per setting; cells are means over seeds."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"`{args.model.name}`: {accuracy(args, [args.model])[0]:.2f} % before\n")
        print(f"| {' | '.join(['', *columns])} |\n|{' --- |' * (len(columns) + 1)}")
        for row in rows:
            cells = []
            for column in columns:
                options, speedup = options_of(row, column)
                outs, seconds = [], []
                for seed in args.seeds if options is not None else args.seeds[:1]:
                    outs.append(Path(folder) / f"{seed}.onnx")
                    seconds.append(pruned(args, options, speedup, seed, outs[-1]))
                found = accuracy(args, outs)
                spread = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""
                cells.append(f"{mean(found):.2f}{spread}" + (f", {mean(seconds):.0f} s" if args.time else ""))
            print(f"| {row} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["ablation", "criteria"])
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--test", help="where the test split is, if not in DATA")
    parser.add_argument("--no-splits", action="store_true", help="DATA has no splits")
    parser.add_argument("--preprocess", default="cifar")
    parser.add_argument("--speedups", nargs="*", default=["1.5x", "2x", "3x"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=256, help="calibration samples")
    parser.add_argument("--count", type=int, help="test samples; all if not given")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--time", action="store_true", help="tell the processor's seconds, too")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/onnx-prune")
    args = parser.parse_args()
    if args.what == "ablation":
        rows = [name for name in SETTINGS if not args.only or name in args.only]
        table(args, rows, args.speedups, lambda row, speedup: (SETTINGS[row], speedup))
    else:
        rows = [name for name in CRITERIA if not args.only or name in args.only]
        options = lambda row, scheme: (["--criterion", row, *SCHEMES[scheme]], args.speedups[0])
        table(args, rows, list(SCHEMES), options)


if __name__ == "__main__":
    main()
