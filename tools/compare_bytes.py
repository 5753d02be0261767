"""Proves that a change of the program changes no byte of what it writes.

Prunes every model of the given folders with three criteria and writes a table of SHA-256 sums; compares two such tables.

    python tools/compare_bytes.py make target/debug/onnx-prune before.json fixtures/tiny ../shared/models
    python tools/compare_bytes.py compare before.json after.json

Where a default has changed, `--more="--no-refit --scheme protected-global"` asks for the former one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CRITERIA = ("l1", "fpgm", "lamp")
TARGET = ("--ratio", "0.4")


def pruned(program: Path, model: Path, criterion: str, more: list[str]) -> dict[str, str | int]:
    """What the program makes of a model: its exit code, and the sum of the file or the message that came instead."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pruned.onnx"
        options = (*TARGET, "--criterion", criterion, *more, "--no-verify", "--no-latency", "-o", out)
        run = subprocess.run([program, model, *options], capture_output=True, text=True, check=False)
        if not out.exists():
            return {"exit": run.returncode, "message": run.stderr.strip().splitlines()[-1] if run.stderr else ""}
        digest = hashlib.sha256()
        for file in sorted(Path(folder).iterdir()):
            digest.update(file.read_bytes())
        return {"exit": run.returncode, "sha256": digest.hexdigest(), "bytes": out.stat().st_size}


def make(program: Path, table: Path, folders: list[Path], jobs: int, more: list[str]) -> int:
    """Writes the table of all models in the folders."""
    models = [(f"{folder.name}/{m.name}", m) for folder in folders for m in sorted(folder.glob("*.onnx"))]
    cases = [(f"{name} {criterion}", model, criterion) for name, model in models for criterion in CRITERIA]
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda c: (c[0], pruned(program, c[1], c[2], more)), cases)
        rows = dict(results)
    table.write_text(json.dumps(rows, indent=1) + "\n")
    written = sum("sha256" in row for row in rows.values())
    print(f"{len(models)} models, {len(rows)} runs, {written} files written")
    return 0 if written else 1


def compare(before: Path, after: Path) -> int:
    """Prints the rows that differ."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    differ = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    for name in differ:
        print(f"{name}: {old.get(name)} -> {new.get(name)}")
    print(f"{len(old.keys() & new.keys()) - sum(n in old and n in new for n in differ)} equal, {len(differ)} differ")
    return 1 if differ or not old else 0


def main() -> int:
    """Parses the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("make", help="prune and write a table")
    first.add_argument("program", type=Path)
    first.add_argument("table", type=Path)
    first.add_argument("folders", type=Path, nargs="+")
    first.add_argument("--jobs", type=int, default=1, help="runs at a time")
    first.add_argument("--more", type=str.split, default=[], help="further options, in one string")
    second = commands.add_parser("compare", help="compare two tables")
    second.add_argument("before", type=Path)
    second.add_argument("after", type=Path)
    args = parser.parse_args()
    if args.command == "make":
        return make(args.program, args.table, args.folders, args.jobs, args.more)
    return compare(args.before, args.after)


if __name__ == "__main__":
    sys.exit(main())
