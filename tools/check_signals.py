"""Ends the program by signals while it replaces a model, and looks at what is there afterwards.

Needs nothing but Python. For each signal and moment, in one file and with external data: the output must be the whole old or
the whole new model, and after one more run there is nothing in the folder but models and their data.

    python3 tools/check_signals.py [--binary target/release/onnx-prune] [--moments 30]
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "fixtures" / "fashion_resnet.onnx"
SIGNALS = ["INT", "TERM", "HUP", "KILL", "QUIT", "ABRT", "USR1", "USR2", "ALRM", "PIPE"]
# What the program says right before it puts the file in place.
COMMIT = b"putting the file in place\n"
GRACEFUL = (129, 130, 143)  # exit codes of SIGHUP, SIGINT and SIGTERM

# Fields of the format.
GRAPH, INITIALIZER, RAW, LOCATION, EXTERNAL = 7, 5, 9, 14, 13


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content and all bytes of each field; the content of a number is its bytes."""
    at = 0
    while at < len(data):
        start = at
        key, at = varint(data, at)
        match key & 7:
            case 0:
                begin, (_, at) = at, varint(data, at)
            case 1:
                begin, at = at, at + 8
            case 2:
                length, begin = varint(data, at)
                at = begin + length
            case 5:
                begin, at = at, at + 4
            case kind:
                raise ValueError(f"field of kind {kind}")
        yield key >> 3, data[begin:at], data[start:at]


def field(key: int, content: bytes) -> bytes:
    return number(key << 3 | 2) + number(len(content)) + content


def entry(key: str, value: str) -> bytes:
    return field(EXTERNAL, field(1, key.encode()) + field(2, value.encode()))


def outside(model: bytes, name: str) -> tuple[bytes, bytes]:
    """The model with its weights in a data file of that name, and that file."""
    data = bytearray()

    def tensor(content: bytes) -> bytes:
        out = b""
        for key, inner, whole in fields(content):
            if key == RAW and len(inner) >= 1024:
                out += entry("location", name) + entry("offset", str(len(data))) + entry("length", str(len(inner)))
                out += number(LOCATION << 3) + number(1)
                data.extend(inner)
                data.extend(bytes(-len(data) % 64))
            else:
                out += whole
        return out

    def graph(content: bytes) -> bytes:
        return b"".join(
            field(INITIALIZER, tensor(inner)) if key == INITIALIZER else whole for key, inner, whole in fields(content)
        )

    new = b"".join(field(GRAPH, graph(inner)) if key == GRAPH else whole for key, inner, whole in fields(model))
    return new, bytes(data)


def locations(tensor: bytes) -> dict[str, str]:
    pairs = [dict((k, v.decode()) for k, v, _ in fields(inner)) for key, inner, _ in fields(tensor) if key == EXTERNAL]
    return {pair[1]: pair[2] for pair in pairs}


def contents(path: Path) -> tuple[str, set[str]]:
    """A hash of a model, wherever its weights lie, and the names of its data files."""
    digest, used = hashlib.sha256(), set()
    for key, inner, whole in fields(path.read_bytes()):
        if key != GRAPH:
            digest.update(whole)
            continue
        for part, tensor, all_of_it in fields(inner):
            where = locations(tensor) if part == INITIALIZER else {}
            if not where:
                digest.update(all_of_it if part != INITIALIZER else b"".join(sorted(w for _, _, w in fields(tensor))))
                continue
            used.add(where["location"])
            start, length = int(where["offset"]), int(where["length"])
            weights = (path.parent / where["location"]).read_bytes()[start : start + length]
            if len(weights) != length:
                raise ValueError(f"{where['location']} is cut short")
            kept = [w for k, _, w in fields(tensor) if k not in (EXTERNAL, LOCATION)]
            digest.update(b"".join(sorted([*kept, field(RAW, weights)])))
    return digest.hexdigest(), used


def default_signals() -> None:
    """What this process ignores, a child would ignore, too: run by nohup or in the background, that is some."""
    for name in SIGNALS:
        if name != "KILL":
            signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_DFL)


class Bench:
    """A folder with an input and an output that is replaced."""

    def __init__(self, folder: Path, binary: Path, external: bool) -> None:
        self.folder, self.binary, self.external = folder, binary, external
        self.put("in.onnx", FIXTURE.read_bytes())
        self.restore()
        self.old = contents(folder / "out.onnx")[0]
        seconds = []
        for _ in range(3):
            start = time.monotonic()
            self.run()
            seconds.append(time.monotonic() - start)
        self.seconds = statistics.median(seconds)
        self.new = contents(folder / "out.onnx")[0]
        assert self.old != self.new

    def put(self, name: str, model: bytes) -> None:
        if self.external:
            model, data = outside(model, f"{name}.data")
            (self.folder / f"{name}.data").write_bytes(data)
        (self.folder / name).write_bytes(model)

    def restore(self) -> None:
        for path in self.folder.glob("out.onnx*"):
            path.unlink()
        self.put("out.onnx", FIXTURE.read_bytes())

    def command(self, *more: str) -> list[str]:
        # Short runs, with everything that happens to files in them.
        how = ["--speedup", "2x", "--no-latency", "--runtime", "tract"]
        how += ["--criterion", "l2", "--scheme", "protected-global", "--no-refit"]
        return [str(self.binary), "in.onnx", *how, "-o", "out.onnx", *more]

    def run(self, *more: str) -> None:
        subprocess.run(self.command(*more), cwd=self.folder, check=True, capture_output=True)

    def interrupt(self, name: str, moment: float | None, after_commit: float) -> tuple[int, str]:
        """Exit code and words of a run that a signal reaches at a moment, or so long after the commit begins."""
        child = subprocess.Popen(
            self.command(), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=default_signals
        )
        assert child.stderr is not None
        if moment is not None:
            time.sleep(moment)
        else:
            for line in child.stderr:
                if line == COMMIT:
                    break
            until = time.monotonic() + after_commit
            while time.monotonic() < until:
                pass
        child.send_signal(signal.Signals[f"SIG{name}"])
        words = child.stderr.read().decode(errors="replace")
        return child.wait(), words

    def problem(self, code: int, words: str) -> tuple[str, str | None]:
        """Which model is there, and what is wrong, if anything is."""
        try:
            found, _ = contents(self.folder / "out.onnx")
        except (OSError, ValueError, IndexError, KeyError) as error:
            return "broken", f"broken: {error}"
        state = {self.old: "old", self.new: "new"}.get(found, "neither")
        if state == "neither":
            return state, "neither the old nor the new model"
        if code == 0 and state == "old":
            return state, "exit code 0, but the old model"
        if code in GRACEFUL and (state == "new") != ("already written" in words):
            return state, f"exit code {code} and the {state} model, but it says: {words}"
        return state, None

    def leftovers(self) -> list[str]:
        models = ["in.onnx", "out.onnx"]
        known = {*models, *(name for model in models for name in contents(self.folder / model)[1])}
        return sorted(path.name for path in self.folder.iterdir() if path.name not in known)


def check(bench: Bench, name: str, moments: int) -> tuple[list[str], list[str]]:
    """One row of the table, and what is wrong."""
    states, left, codes, wrong = Counter(), 0, Counter(), []
    for i in range(moments):
        bench.restore()
        # Half of them over the whole run, half where files are put in place.
        spread = (moments + 1) // 2
        moment = bench.seconds * (i + 0.5) / spread if i < spread else None
        code, words = bench.interrupt(name, moment, (i - spread) * 0.002)
        codes[code] += 1
        state, problem = bench.problem(code, words)
        states[state] += 1
        left += bool(bench.leftovers()) if state != "broken" else 1
        bench.run("--no-verify")
        if contents(bench.folder / "out.onnx")[0] != bench.new:
            problem = "the next run gives another model"
        if names := bench.leftovers():
            problem = f"the next run leaves {', '.join(names)}"
        if problem:
            wrong.append(f"SIG{name} at {'commit' if moment is None else f'{moment:.3f} s'}: {problem}")
    shown = ", ".join(f"{code} ({n})" for code, n in sorted(codes.items()))
    kind = "external" if bench.external else "inline"
    return [name, kind, str(states["old"]), str(states["new"]), str(left), str(len(wrong)), shown], wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "onnx-prune")
    parser.add_argument("--moments", type=int, default=30)
    parser.add_argument("--signals", nargs="+", default=SIGNALS)
    args = parser.parse_args()
    print("| signal | weights | old model | new model | left something | wrong after all | exit codes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    wrong = []
    for external in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), args.binary.resolve(), external)
            for name in args.signals:
                row, problems = check(bench, name, args.moments)
                print("|", " | ".join(row), "|", flush=True)
                wrong += problems
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
