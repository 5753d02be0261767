"""What weights alone can choose: every criterion, scheme and normalisation without data, the table behind the defaults.

    python tools/defaults_table.py --model MODEL DATA HOW [--model ...] [--speedups 1.5x 2x] [--count 1000]

Prunes each model with every setting, with and without the groups that several layers read (residual streams) among
what shrinks, nothing solved anew, and tells the share of right answers of `onnx-prune eval` on --count test samples.
Prints a Markdown table, the best on average first: the mean over models and targets of what is left of the model's own
accuracy above chance.
"""

import argparse
import json
import subprocess
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean

from program import BINARY

CRITERIA = ["l1", "l2", "lamp", "fpgm", "bnscale", "random"]
SCHEMES = ["local", "global", "protected-global", "isomorphic", "sensitivity", "allocate"]
NORMALIZATIONS = ["mean", "none"]
# These go by other figures than scores of different groups.
ALONE = {"local", "sensitivity", "allocate"}


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def streams(program, model):
    """Groups that several layers read."""
    groups = json.loads(run(program, "inspect", model, "--json").stdout)["groups"]
    reads = lambda g: sum(m["role"] == "reads" for m in g["members"])
    return [g["name"] for g in groups if reads(g) > 1]


def accuracies(args, models, data, how):
    """Of each model on the test split, in percent."""
    command = [args.program, "eval", *models, "--data", data, "--preprocess", how, "--samples", args.count]
    found = run(*command, "--no-latency", "--json", "-q")
    if found.returncode:
        raise SystemExit(found.stderr)
    models = json.loads(found.stdout)["models"]
    return [100 * next(f["value"] for f in m["figures"] if f["name"] == "top-1") for m in models]


def settings(args):
    for criterion, scheme, norm, kept in product(args.criteria, args.schemes, NORMALIZATIONS, [False, True]):
        if norm == NORMALIZATIONS[0] or scheme not in ALONE:
            yield criterion, scheme, norm, kept


def column(args, folder, model, data, how, speedup):
    """The accuracy of each setting; none where it does not reach the target."""
    protect = [o for name in streams(args.program, model) for o in ("--protect", name)]
    done = {}
    for k, (criterion, scheme, norm, kept) in enumerate(settings(args)):
        out = Path(folder) / f"{k}.onnx"
        out.unlink(missing_ok=True)
        options = ["--criterion", criterion, "--scheme", scheme, "--normalization", norm, *(protect if kept else [])]
        options += ["--speedup", speedup, "--no-latency", "--no-verify", "-q", "--round-to", args.round_to, *args.more]
        if run(args.program, model, *options, "-o", out).returncode == 0:
            done[criterion, scheme, norm, kept] = out
    return dict(zip(done, accuracies(args, list(done.values()), data, how)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", nargs=3, action="append", required=True, metavar=("MODEL", "DATA", "PREPROCESS"))
    parser.add_argument("--speedups", nargs="*", default=["1.5x", "2x"])
    parser.add_argument("--count", type=int, default=1000, help="test samples")
    parser.add_argument("--criteria", nargs="*", default=CRITERIA)
    parser.add_argument("--schemes", nargs="*", default=SCHEMES)
    parser.add_argument("--round-to", default="1")
    parser.add_argument("--more", nargs="*", default=[], help="options for every run")
    parser.add_argument("--top", type=int, help="rows to print")
    parser.add_argument("--program", type=Path, default=BINARY)
    args = parser.parse_args()
    columns, left = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for (model, data, how), speedup in product(args.model, args.speedups):
            head = f"{Path(model).stem} {speedup}"
            base = accuracies(args, [model], data, how)[0]
            columns[head] = column(args, folder, model, data, how, speedup)
            left[head] = lambda top, base=base: max(0.0, top - 10) / (base - 10)
            print(f"{head}: {base:.1f} % before", flush=True)
    of = lambda key: mean(left[c](columns[c].get(key, 0.0)) for c in columns)
    rows = sorted(settings(args), key=of, reverse=True)[: args.top]
    print(f"\n| criterion | scheme | normalisation | streams | left | {' | '.join(columns)} |\n|{' --- |' * (5 + len(columns))}")
    for key in rows:
        criterion, scheme, norm, kept = key
        cells = [f"{columns[c][key]:.1f}" if key in columns[c] else "–" for c in columns]
        print(f"| {criterion} | {scheme} | {norm} | {'kept' if kept else ''} | {of(key):.2f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
