#!/usr/bin/env python3
"""Runs the program on regression inputs that are kept outside the repository, and checks what comes out.

What is wanted of each file is written here, by file name. Written models are judged by
`oracle/`: onnxruntime at two sizes of every open axis, against the original with what was removed set to zero,
never by the program's own verification.

Usage: python tools/check_cases.py FOLDER [--only GLOB ...] [--binary PATH]

The exit code is 1 if one of them does not come out as wanted.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import program
from oracle import command, judge
from oracle.behaviour import outputs, session
from oracle.judge import Subject
from oracle.masking import masked

PRUNE = ["--speedup", "2x", "--no-latency"]
MEGABYTES = 400  # peak of a small file


@dataclass
class Seen:
    """What one command did."""

    done: program.Finished
    report: dict[str, Any] | None
    output: Path
    model: Path

    @property
    def written(self) -> bool:
        return self.output.exists()

    @property
    def died(self) -> str:
        """How the process came to a bad end, or nothing."""
        text = self.done.output
        if self.done.seconds >= self.limit:
            return f"no end within {self.limit:.0f} s"
        if self.done.code < 0 or "panicked" in text or "overflowed its stack" in text:
            return f"crashed ({self.done.code}): {self.error}"
        if self.done.peak_mb > self.megabytes:
            return f"{self.done.peak_mb:.0f} MB of memory"
        return ""

    limit: float = 60.0
    megabytes: float = MEGABYTES

    @property
    def error(self) -> str:
        lines = [line.strip() for line in self.done.output.splitlines() if line.strip()]
        marked = [line for line in lines if line.startswith(("error", "thread", "fatal"))]
        return [*marked, *lines[-1:], "nothing printed"][0][:150]

    def says(self, *words: str) -> bool:
        return any(w.lower() in self.done.output.lower() for w in words)


Check = Callable[[Seen], tuple[bool, str]]


@dataclass
class Case:
    """A file, the arguments, and what is wanted."""

    file: str
    wanted: str
    check: Check
    arguments: list[str] = field(default_factory=lambda: [*PRUNE])
    subcommand: str | None = None
    megabytes: float = MEGABYTES
    seconds: float = 60.0


def feeds_of(model: onnx.ModelProto, sizes: list[dict[str, int]], own: dict[str, Callable]) -> list[dict]:
    subject = Subject(model, sizes, {}, own)
    return subject.feeds(session(model).get_inputs())


def compared(seen: Seen, sizes: list[dict[str, int]], own: dict[str, Callable] | None = None) -> tuple[bool, str]:
    """The written model against the masked original; what is wrong, or how far apart they are."""
    original, pruned = onnx.load(seen.model), onnx.load(seen.output)
    whole, small = session(original), session(pruned)
    silent = masked(original, pruned)
    expected = session(silent.model)
    worst = 0.0
    for feed in feeds_of(original, sizes, own or {}):
        try:
            a = outputs(whole, feed)
        except Exception:
            continue  # a size that the original does not take
        try:
            b = outputs(small, feed)
        except Exception as error:
            return False, f"the pruned model does not run: {error}"[:150]
        if [x.shape for x in a] != [y.shape for y in b]:
            return False, f"shapes {[y.shape for y in b]}, not {[x.shape for x in a]}"
        worst = max(worst, judge.difference(outputs(expected, feed), b))
    return worst <= judge.TOLERANCE, f"differs by {worst:.1e} from the masked original"


def parameters(path: Path) -> int:
    return judge.count(onnx.load(path))


def saved(seen: Seen, least: float, sizes: list[dict[str, int]], own: dict[str, Callable] | None = None) -> tuple[bool, str]:
    """A model was written, `least` times faster by the report, no larger, and right."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        return False, seen.error
    ok, text = compared(seen, sizes, own)
    speedup = (seen.report or {}).get("speedup") or 0.0
    before, after = seen.model.stat().st_size, seen.output.stat().st_size
    fine = ok and speedup >= least and after <= before
    return fine, f"{speedup:.2f}x, {before / 1e3:.0f} -> {after / 1e3:.0f} kB, {text}"


def pruned(least: float, *sizes: dict[str, int], **own: Callable) -> Check:
    return lambda seen: saved(seen, least, list(sizes) or [{"N": 1}, {"N": 3}], own)


def right_or_nothing(*sizes: dict[str, int], **own: Callable) -> Check:
    """Nothing prunable, or a model that is right at all these sizes."""

    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        if not seen.written:
            frozen = seen.says("nothing in this model can be pruned", "target not reached")
            return frozen, seen.error
        return compared(seen, list(sizes), own)

    return check


def shared(*sizes: dict[str, int]) -> Check:
    """As `pruned`, with weights still shared and figures as the file has them."""

    def check(seen: Seen) -> tuple[bool, str]:
        ok, text = saved(seen, 0.0, list(sizes) or [{"N": 1}, {"N": 3}])
        if not seen.written:
            return ok, text
        uses, small = judge.Uses(onnx.load(seen.model)), onnx.load(seen.output)
        problems = judge.untied(judge.sharing(uses), small)
        stated, stored = (seen.report or {})["after"]["params"], parameters(seen.output)
        if abs(stated - stored) > 0.02 * stored:
            problems.append(f"{stated:.0f} parameters told, {stored} stored")
        if "same" in [o.name for o in small.graph.output]:
            problems += alike(seen.output)
        return ok and not problems, "; ".join([text, *problems])

    return check


def alike(path: Path) -> list[str]:
    """f(a, b) = f(b, a), and f(a, a) depends on nothing."""
    s = session(path)
    rng = np.random.default_rng(3)
    shape = [3 if not isinstance(d, int) else d for d in s.get_inputs()[0].shape]
    a, b = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    ab, ba, aa, bb = (s.run(None, {"a": x, "b": y})[0] for x, y in ((a, b), (b, a), (a, a), (b, b)))
    found = []
    if np.abs(ab - ba).max() > 1e-5:
        found.append(f"f(a,b) and f(b,a) differ by {np.abs(ab - ba).max():.2g}")
    if np.abs(aa - bb).max() > 1e-5:
        found.append("f(a,a) is not constant")
    return found


def graceful(*words: str) -> Check:
    """An error that names what is wrong, or a normal end; no crash, no hang, no memory."""

    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        named = not words or seen.done.code == 0 or seen.says(*words)
        return named and seen.done.code in (0, 1, 3, 4), f"rc {seen.done.code} in {seen.done.seconds:.1f} s: {seen.error}"

    return check


def refused(*words: str) -> Check:
    """An error at once, that says one of these words."""

    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        ok = seen.done.code == 1 and (not words or seen.says(*words)) and seen.done.seconds < 5
        return ok, f"rc {seen.done.code} in {seen.done.seconds:.1f} s: {seen.error}"

    return check


def not_told(seen: Seen) -> tuple[bool, str]:
    """Where no input tells anything the result says so; a comparison that was none is not called one."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        return seen.says("nothing in this model can be pruned"), seen.error
    said = "not verified" if seen.says("not verified", "not told") else "verified"
    return said == "not verified", f"said to be {said}"


def logarithm(seen: Seen) -> tuple[bool, str]:
    """Right on positive numbers; verified on such, or said not to be."""
    positive = lambda sizes: np.random.default_rng(5).uniform(0.5, 2.0, (sizes["N"], 32)).astype(np.float32)  # noqa: E731
    ok, text = saved(seen, 2.0, [{"N": 1}, {"N": 3}], {"power": positive})
    if not seen.written:
        return ok, text
    verified = (seen.report or {}).get("verification") is not None
    told = seen.says("not verified", "not told")
    return ok and (verified or told), f"{text}; {'verified' if verified else 'not verified'}"


def guessed_sizes(seen: Seen) -> tuple[bool, str]:
    if seen.died:
        return False, seen.died
    if not seen.written:
        return seen.says("--shapes"), seen.error
    before = (seen.report or {})["before"]["macs"]
    ok, text = saved(seen, 2.0, [{"N": 1, "H": 24, "W": 30}, {"N": 2, "H": 33, "W": 20}])
    return ok and before > 0, f"{text}; {before:.3g} MACs"


def counted_recurrent(seen: Seen) -> tuple[bool, str]:
    if seen.died:
        return False, seen.died
    macs = (seen.report or {"before": {"macs": 0.0}})["before"]["macs"]
    named = seen.says("DynamicQuantizeLSTM")
    ok = macs >= 1.0e6 or named
    if seen.written:
        right, text = compared(seen, [{"N": 1}, {"N": 3}])
        # The other end of the quantized layers is rounded: what is masked falls on other steps.
        return ok and (right or float(text.split()[2]) < 0.05), f"{macs:.3g} MACs, {text}"
    return ok and seen.done.code in (1, 3), f"{macs:.3g} MACs; {seen.error}"


def names_operator(name: str, least: float) -> Check:
    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        if seen.written:
            speedup = (seen.report or {}).get("speedup") or 0.0
            named = seen.says(name, "not verified")
            return speedup >= least and named, f"{speedup:.2f}x, {'said that' if named else 'not said that'} it is not verified"
        return seen.says(name), seen.error

    return check


def generation(seen: Seen) -> tuple[bool, str]:
    """Verified, with a mask of ones."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        return False, seen.error
    past = lambda sizes: np.zeros((sizes["batch_size"], 2, 0, 16), np.float32)  # noqa: E731
    own: dict[str, Callable] = {f"past_key_values.{i}.{k}": past for i in range(2) for k in ("key", "value")}
    own["attention_mask"] = lambda sizes: np.ones((sizes["batch_size"], sizes["sequence_length"]), np.int64)
    sizes = [
        {"batch_size": b, "sequence_length": n, "total_sequence_length": n, "past_sequence_length": 0}
        for b, n in ((1, 5), (2, 7))
    ]
    ok, text = compared(seen, sizes, own)
    verified = (seen.report or {}).get("verification") is not None
    return ok and verified, f"{'verified' if verified else 'not verified'}; {text}"


def warned(seen: Seen) -> tuple[bool, str]:
    ok, text = saved(seen, 2.0, [{}])
    said = seen.says("drop-initializer-inputs", "also graph inputs", "also inputs", "graph inputs")
    return ok and said, f"{text}; {'warned' if said else 'no warning'}"


def dropped(seen: Seen) -> tuple[bool, str]:
    ok, text = saved(seen, 2.0, [{}])
    if seen.written:
        left = len(onnx.load(seen.output).graph.input)
        return ok and left == 1, f"{text}; {left} inputs"
    return ok, text


def escaped(seen: Seen) -> tuple[bool, str]:
    raw = "\x1b]0;" in seen.done.output or "\x1b[31m" in seen.done.output
    return not raw and not seen.died, "escape sequences printed" if raw else seen.died or "none printed"


def names_file(seen: Seen) -> tuple[bool, str]:
    ok = not seen.died and seen.done.code == 1 and seen.says(seen.model.name)
    return ok, seen.died or f"rc {seen.done.code}: {seen.error}"


UNIT = ["--preprocess", "unit"]
TRACT = [*PRUNE, "--runtime", "tract"]
ONE_AND_K = [{"N": 1, "K": 1}, {"N": 3, "K": 12}]


def cases() -> list[Case]:
    k = {"k": lambda sizes: np.array([sizes["K"]], np.int64)}
    half = ["--ratio", "0.5", "--seed", "1", "--no-latency"]
    open_time = ({"N": 1, "T": 7}, {"N": 3, "T": 12})
    return [
        Case("siamese_shared.onnx", "one tower, smaller, f(a,b) = f(b,a)", shared()),
        Case("siamese_shared.onnx", "the same at half of the parameters", shared(), ["--params", "50%", "--no-latency"]),
        Case("triplet_shared.onnx", "one tower, smaller", shared()),
        Case("triplet_shared.onnx", "the same at half of the parameters", shared(), ["--params", "50%", "--no-latency"]),
        Case("triplet_shared.onnx", "150 kB are reachable", shared(), ["--size", "150kB", "--no-latency"]),
        Case("weight_norm_convtranspose.onnx", "2x, right", pruned(2.0, {})),
        Case("weight_norm_vocoder.onnx", "2x, right", pruned(2.0, *open_time)),
        Case("scan_matmul_hang.onnx", "2x, right", pruned(1.5, {})),
        Case("scan_matmul_hang.onnx", "tract ends", graceful(), TRACT, seconds=40),
        Case("mamba_scan.onnx", "2x, right", pruned(1.5)),
        Case("mamba_scan.onnx", "tract ends", graceful(), TRACT, seconds=40),
        Case("scan_matmul_hang.onnx", "eval on tract ends", graceful(), ["--runtime", "tract"], "eval", seconds=40),
        Case("nhwc_open_sizes.onnx", "2x with positive sizes, or asks for --shapes", guessed_sizes),
        Case("log_of_input.onnx", "2x, told on positive numbers", logarithm),
        Case("log_of_input.onnx", "the same on tract", logarithm, TRACT),
        Case("loop_lstm_states.onnx", "pruned, right", pruned(1.3, *open_time)),
        Case("cast_mul_int8.onnx", "2x, right", pruned(2.0)),
        Case("cast_int8_scale_after.onnx", "2x, right", pruned(2.0)),
        Case("segnet_unpool.onnx", "2x, right", pruned(2.0)),
        Case("dynamic_quantize_lstm.onnx", "MACs counted, or named", counted_recurrent),
        Case("sklearn_scaler_mlp.onnx", "2x, right", pruned(2.0, {"None": 1}, {"None": 3})),
        Case("qonnx_quant.onnx", "pruned, or Quant named", names_operator("Quant", 1.5)),
        Case("kan.onnx", "2x, right", pruned(2.0)),
        Case("genai_mask.onnx", "verified with a mask of ones", generation),
        Case("weights_are_inputs.onnx", "2x and a warning", warned, megabytes=600),
        Case("weights_are_inputs.onnx", "inputs dropped on request", dropped, [*PRUNE, "--drop-initializer-inputs"]),
        Case("verified_but_wrong.onnx", "right for k = 12 too", right_or_nothing(*ONE_AND_K, **k), half),
        Case("verified_but_wrong.onnx", "the same unverified", right_or_nothing(*ONE_AND_K, **k), [*half, "--no-verify"]),
        Case("shape_is_input.onnx", "frozen, or right", shape_input, half),
        Case("shape_is_input.onnx", "the same unverified", shape_input, [*half, "--no-verify"]),
        Case("if_constant_True.onnx", "the live branch is right", right_or_nothing({"N": 1}, {"N": 3})),
        Case("if_constant_False.onnx", "the live branch is right", right_or_nothing({"N": 1}, {"N": 3})),
        Case("stack_overflow.onnx", "no crash", graceful(), [], "inspect"),
        Case("stack_overflow.onnx", "no crash", graceful(), half),
        Case("roll_input_160000.onnx", "no crash", graceful(), [], "inspect"),
        Case("roll_input_160000.onnx", "no crash, right", right_or_nothing({}), half),
        Case("recursive_function.onnx", "an error at once", refused("recurs", "calls itself"), [], "inspect", 120.0),
        Case("recursive_function.onnx", "an error at once", refused("recurs", "calls itself"), megabytes=120.0),
        Case("panic_elementwise_one_input.onnx", "an error", refused(), [], "inspect"),
        Case("panic_slice_negative.onnx", "no crash", graceful(), [], "inspect"),
        Case("symbolic_input_scale.onnx", "right for K = 12 too", right_or_nothing(*ONE_AND_K)),
        Case("symbolic_input_scale.onnx", "the same unverified", right_or_nothing(*ONE_AND_K), [*half, "--no-verify"]),
        Case("masked_output_1e9.onnx", "right in every element", right_or_nothing({"N": 1}, {"N": 3})),
        Case("vacuous_output.onnx", "not verified: why", not_told),
        Case("compress_refused.onnx", "frozen", right_or_nothing({"N": 1}, {"N": 3})),
        Case("compress_refused.onnx", "frozen", right_or_nothing({"N": 1}, {"N": 3}), half),
        Case("stack_overflow_prune.onnx", "no crash", graceful()),
        Case("stack_overflow_prune.onnx", "no crash", graceful(), half),
        Case("oom_prune.onnx", "little memory", graceful()),
        Case("oom_prune.onnx", "little memory", graceful(), half),
        Case("rows_2pow40_x0.npy", "an error that names the file", names_file, UNIT, "check-data"),
        Case("rows_2pow60_x0.safetensors", "an error that names the file", names_file, UNIT, "check-data"),
        Case("parquet_rows_at516_0x10000000000.parquet", "an error that names the file", names_file, UNIT, "check-data"),
        Case("parquet_negative_column.parquet", "an error that names the file", names_file, UNIT, "check-data"),
        Case("terminal_escape.onnx", "names escaped", escaped, ["-v"], "inspect"),
        Case("terminal_escape.onnx", "names escaped", escaped),
    ]


def shape_input(seen: Seen) -> tuple[bool, str]:
    """Nothing prunable, or right for the shape that the original takes."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        ok = seen.says("nothing in this model can be pruned", "target not reached")
        return ok, seen.error
    found = []
    for shape in ([1, 12, 1, 1], [12, 1, 1, 1], [1, -1, 1, 1]):
        try:
            ok, text = compared(seen, [{"N": 1}], {"shape": lambda _, s=shape: np.array(s, np.int64)})
        except Exception as error:
            ok, text = False, str(error)[:80]
        found.append((ok, text))
    return all(ok for ok, _ in found), next((text for ok, text in found if not ok), found[0][1])


def second_interrupt(binary: Path, model: Path, folder: Path) -> tuple[bool, str]:
    """Two Ctrl-C end a run that would not end, within seconds."""
    arguments = [binary, model, *TRACT, "-o", folder / "out.onnx"]
    child = subprocess.Popen(
        [str(a) for a in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=command.environment()
    )
    start = time.monotonic()

    def ended(seconds: float) -> bool:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    if ended(5):
        return True, f"ended by itself after {time.monotonic() - start:.1f} s"
    child.send_signal(signal.SIGINT)
    if not ended(1):
        child.send_signal(signal.SIGINT)
    if ended(3):
        return child.returncode in (130, -signal.SIGINT), f"rc {child.returncode} after Ctrl-C"
    child.kill()
    child.wait()
    return False, "runs on after two Ctrl-C"


def run(case: Case, folder: Path, binary: Path, temporary: Path) -> tuple[bool, str]:
    model, output = folder / case.file, temporary / "out.onnx"
    report = temporary / "report.json"
    for path in (output, report):
        path.unlink(missing_ok=True)
    arguments: list[str | Path] = [binary]
    if case.subcommand:
        reader = [program.ROOT / "fixtures" / "fashion_resnet.onnx", "--data"]
        arguments += [case.subcommand, *(reader if case.subcommand == "check-data" else []), model, *case.arguments]
    else:
        arguments += [model, *case.arguments, "--report", report, "-o", output]
    done = program.execute(arguments, case.seconds, memory=6 * command.GIB, environment=command.environment())
    text = report.read_text() if report.exists() else ""
    seen = Seen(done, json.loads(text) if text else None, output, model, case.seconds, case.megabytes)
    try:
        return case.check(seen)
    except Exception as error:  # whatever a broken file raises
        return False, f"{type(error).__name__}: {error}"[:200]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=["*"])
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    args = parser.parse_args()
    rows: list[tuple[str, str, str, bool]] = []
    binary = args.binary.resolve()

    def chosen(name: str) -> bool:
        return any(fnmatch.fnmatch(name, glob) for glob in args.only)

    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        for case in cases():
            if not chosen(case.file):
                continue
            what = " ".join([case.subcommand or "", *case.arguments]).strip() or "prune"
            if not (args.folder / case.file).exists():
                rows.append((f"{case.file} {what}", case.wanted, "no such file", False))
                continue
            ok, got = run(case, args.folder, binary, temporary)
            rows.append((f"{case.file} {what}", case.wanted, got, ok))
            print(f"{'ok  ' if ok else 'FAIL'} {case.file} {what}: {got}", file=sys.stderr, flush=True)
        for file in ("scan_matmul_hang.onnx", "mamba_scan.onnx"):
            if chosen(file) and (args.folder / file).exists():
                ok, got = second_interrupt(binary, args.folder / file, temporary)
                rows.append((f"{file} --runtime tract, Ctrl-C twice", "ends at once", got, ok))
    wide = max(len(r[0]) for r in rows)
    print(f"{'case':{wide}}  ok   {'wanted':46}  got")
    for what, wanted, got, ok in rows:
        print(f"{what:{wide}}  {'yes' if ok else 'NO ':3}  {wanted:46}  {got}")
    wrong = sum(not r[3] for r in rows)
    print(f"{len(rows) - wrong} of {len(rows)} as wanted")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
