"""Many cases by number, in several processes, with a line of JSON for each and a table at the end."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import program

from .judge import FAULTS, NOTHING, PRUNED, SKIPPED, UNTOLD, Verdict

BATCH = 25  # seeds per task of a worker
FAILED = "tool failed"
# What makes a verdict of a seed: (seed, binary, folder) -> (kind, features, verdict); None to leave it out.
Examine = Callable[[int, Path, Path], tuple[str, set[str], Verdict] | None]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", default="0:200", metavar="FROM:TO")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--lines", type=Path, help="one line of JSON per case; seeds in it are not run again"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for the models of cases that something is wrong with"
    )
    parser.add_argument("--binary", type=Path, default=program.BINARY)


def line_of(examine: Examine, seed: int, binary: Path, folder: Path) -> dict | None:
    start = time.monotonic()
    try:
        found = examine(seed, binary, folder)
    except Exception:  # a fault of the tool: seen in the table, and no end of the run
        found = ("?", set(), Verdict(FAILED, traceback.format_exc()[-700:]))
    if found is None:
        return None
    kind, features, verdict = found
    line = {"seed": seed, "kind": kind, "features": sorted(features), **asdict(verdict)}
    return line | {"seconds": round(time.monotonic() - start, 3)}


def at_fault(line: dict) -> bool:
    return line["outcome"] in [*FAULTS, FAILED]


def several(examine: Examine, seeds: list[int], binary: Path, keep: Path | None) -> list[dict]:
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in seeds:
            line = line_of(examine, seed, binary, folder)
            if line is None:
                continue
            lines.append(line)
            for name in ("model", "out"):
                path = folder / f"{name}.onnx"
                if keep and at_fault(line) and path.exists():
                    (keep / f"{seed}.{name}.onnx").write_bytes(path.read_bytes())
            for path in folder.iterdir():
                if path.is_file():
                    path.unlink()
    return lines


def table(lines: list[dict], by: str) -> Iterator[str]:
    """Outcomes by kind or by feature."""
    outcomes = Counter(line["outcome"] for line in lines)
    shown = [o for o in [PRUNED, NOTHING, UNTOLD, SKIPPED, *FAULTS, FAILED] if outcomes[o]]
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        for feature in line[by] if by == "features" else [line[by]]:
            rows[feature][line["outcome"]] += 1
    yield f"{'':28}" + "".join(f"{o:>20}" for o in shown)
    for feature in sorted(rows):
        yield f"{feature:28}" + "".join(f"{rows[feature][o] or '':>20}" for o in shown)
    yield f"{'all ' + str(len(lines)):28}" + "".join(f"{outcomes[o]:>20}" for o in shown)
    told = [line for line in lines if line["outcome"] == PRUNED]
    changed = sum(line["change"] > 1e-3 for line in told)
    spelled = sum(line["spelled_out"] > 0 for line in told)
    unverified = sum(line["unverified"] for line in lines if "unverified" in line)
    worst = max((line["difference"] for line in told), default=0.0)
    yield f"verified {len(told)}: largest difference {worst:.1e} of the spread; in {changed} the outputs changed;"
    yield f"in {spelled} operators that mix channels were made to see the kept ones alone; {unverified} the program could not verify by itself"


def results(
    examine: Examine, seeds: list[int], binary: Path, args: argparse.Namespace
) -> Iterator[list[dict]]:
    """The lines of batches of seeds, in several processes. One that dies is begun again, seed by seed."""
    batches = [seeds[i : i + BATCH] for i in range(0, len(seeds), BATCH)]
    while batches:
        with ProcessPoolExecutor(args.jobs) as pool:
            tasks = [pool.submit(several, examine, b, binary, args.keep) for b in batches]
            for done, task in enumerate(tasks):
                try:
                    yield task.result()
                except BrokenProcessPool:
                    break
            else:
                return
        broken, batches = batches[done], batches[done + 1 :]
        for seed in broken:
            yield list(filter(None, [alone(examine, seed, binary, args.keep)]))


def alone(examine: Examine, seed: int, binary: Path, keep: Path | None) -> dict:
    """One seed in a process of its own; onnxruntime dies of some models."""
    with ProcessPoolExecutor(1) as pool:
        try:
            made = pool.submit(several, examine, [seed], binary, keep).result()
        except BrokenProcessPool:
            dead = Verdict(SKIPPED, "onnxruntime died")
            return {"seed": seed, "kind": "?", "features": [], **asdict(dead), "seconds": 0.0}
    return made[0] if made else {}


def run(args: argparse.Namespace, examine: Examine, by: str) -> int:
    """All seeds; 1 if something is wrong with one of them."""
    first, last = (int(n) for n in args.seeds.split(":"))
    lines = []
    if args.lines and args.lines.exists():
        lines = [json.loads(text) for text in args.lines.read_text().splitlines()]
    known = {line["seed"] for line in lines}
    lines = [line for line in lines if first <= line["seed"] < last]
    left = [s for s in range(first, last) if s not in known]
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    binary = args.binary.resolve()
    for made in results(examine, left, binary, args):
        lines += made
        if args.lines:
            with args.lines.open("a") as out:
                out.writelines(json.dumps(line, default=str) + "\n" for line in made)
        for line in filter(at_fault, made):
            why = line["why"][:240]
            print(f"{line['seed']} {line['kind']}: {line['outcome']}: {why}", flush=True)
    print("\n".join(table(lines, by)))
    return int(any(at_fault(line) for line in lines))
