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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import case_checks as c
import program
from oracle import command

PRUNE = ["--speedup", "2x", "--no-latency", "--no-refit"]


@dataclass
class Case:
    """A file, the arguments, and what is wanted."""

    file: str
    wanted: str
    check: c.Check
    arguments: list[str] = field(default_factory=lambda: [*PRUNE])
    subcommand: str | None = None
    megabytes: float = c.MEGABYTES
    seconds: float = 60.0


UNIT = ["--preprocess", "unit"]
PAST = [f"past_key_values.{i}.{k}:1x2x8x16" for i in range(2) for k in ("key", "value")]
PAST_SHAPES = ",".join(["input_ids:1x4", "attention_mask:1x12", *PAST])
GENTLE = ["--speedup", "1.2x", "--no-latency", "--shapes", PAST_SHAPES]
TRACT = [*PRUNE, "--runtime", "tract"]
ONE_AND_K = [{"N": 1, "K": 1}, {"N": 3, "K": 12}]


def cases() -> list[Case]:
    k = {"k": lambda sizes: np.array([sizes["K"]], np.int64)}
    half = ["--ratio", "0.5", "--seed", "1", "--no-latency"]
    open_time = ({"N": 1, "T": 7}, {"N": 3, "T": 12})
    return [
        Case("siamese_shared.onnx", "one tower, smaller, f(a,b) = f(b,a)", c.shared()),
        Case(
            "siamese_shared.onnx",
            "the same at half of the parameters",
            c.shared(),
            ["--params", "50%", "--no-latency"],
        ),
        Case("triplet_shared.onnx", "one tower, smaller", c.shared()),
        Case(
            "triplet_shared.onnx",
            "the same at half of the parameters",
            c.shared(),
            ["--params", "50%", "--no-latency"],
        ),
        Case(
            "triplet_shared.onnx",
            "150 kB are reachable",
            c.shared(),
            ["--size", "150kB", "--no-latency"],
        ),
        Case("weight_norm_convtranspose.onnx", "2x, right", c.pruned(2.0, {})),
        Case("weight_norm_vocoder.onnx", "2x, right", c.pruned(2.0, *open_time)),
        Case("scan_matmul_hang.onnx", "2x, right", c.pruned(1.5, {})),
        Case("scan_matmul_hang.onnx", "tract ends", c.graceful(), TRACT, seconds=40),
        Case("mamba_scan.onnx", "2x, right", c.pruned(1.5)),
        Case("mamba_scan.onnx", "tract ends", c.graceful(), TRACT, seconds=40),
        Case(
            "scan_matmul_hang.onnx",
            "eval on tract ends",
            c.graceful(),
            ["--runtime", "tract"],
            "eval",
            seconds=40,
        ),
        Case(
            "nhwc_open_sizes.onnx",
            "2x with positive sizes, or asks for --shapes",
            c.guessed_sizes,
            megabytes=1300,  # drawn images of 224 x 224, kept in up to 1 GiB
        ),
        Case("log_of_input.onnx", "2x, told on positive numbers", c.logarithm),
        Case("log_of_input.onnx", "the same on tract", c.logarithm, TRACT),
        Case("loop_lstm_states.onnx", "pruned, right", c.pruned(1.3, *open_time)),
        Case("cast_mul_int8.onnx", "2x, right", c.pruned(2.0)),
        Case("cast_int8_scale_after.onnx", "2x, right", c.pruned(2.0)),
        Case("segnet_unpool.onnx", "2x, right", c.pruned(2.0)),
        Case("dynamic_quantize_lstm.onnx", "MACs counted, or named", c.counted_recurrent),
        Case("sklearn_scaler_mlp.onnx", "2x, right", c.pruned(2.0, {"None": 1}, {"None": 3})),
        Case("qonnx_quant.onnx", "pruned, or Quant named", c.names_operator("Quant", 1.5)),
        Case("kan.onnx", "2x, right", c.pruned(2.0)),
        Case("genai_mask.onnx", "verified with a mask of ones", c.generation, GENTLE),
        Case("weights_are_inputs.onnx", "2x and a warning", c.warned, megabytes=600),
        Case(
            "weights_are_inputs.onnx",
            "inputs dropped on request",
            c.dropped,
            [*PRUNE, "--drop-initializer-inputs"],
        ),
        Case(
            "verified_but_wrong.onnx",
            "right for k = 12 too",
            c.right_or_nothing(*ONE_AND_K, **k),
            half,
        ),
        Case(
            "verified_but_wrong.onnx",
            "the same unverified",
            c.right_or_nothing(*ONE_AND_K, **k),
            [*half, "--no-verify"],
        ),
        Case("shape_is_input.onnx", "frozen, or right", c.shape_input, half),
        Case("shape_is_input.onnx", "the same unverified", c.shape_input, [*half, "--no-verify"]),
        Case(
            "if_constant_True.onnx",
            "the live branch is right",
            c.right_or_nothing({"N": 1}, {"N": 3}),
        ),
        Case(
            "if_constant_False.onnx",
            "the live branch is right",
            c.right_or_nothing({"N": 1}, {"N": 3}),
        ),
        Case("stack_overflow.onnx", "no crash", c.graceful(), [], "inspect"),
        Case("stack_overflow.onnx", "no crash", c.graceful(), half),
        Case("roll_input_160000.onnx", "no crash", c.graceful(), [], "inspect"),
        Case("roll_input_160000.onnx", "no crash, right", c.right_or_nothing({}), half),
        Case(
            "recursive_function.onnx",
            "an error at once",
            c.refused("recurs", "calls itself", "defined twice"),
            [],
            "inspect",
            120.0,
        ),
        Case(
            "recursive_function.onnx",
            "an error at once",
            c.refused("recurs", "calls itself", "defined twice"),
            megabytes=120.0,
        ),
        Case("panic_elementwise_one_input.onnx", "an error", c.refused(), [], "inspect"),
        Case("panic_slice_negative.onnx", "no crash", c.graceful(), [], "inspect"),
        Case("symbolic_input_scale.onnx", "right for K = 12 too", c.right_or_nothing(*ONE_AND_K)),
        Case(
            "symbolic_input_scale.onnx",
            "the same unverified",
            c.right_or_nothing(*ONE_AND_K),
            [*half, "--no-verify"],
        ),
        Case(
            "masked_output_1e9.onnx",
            "right in every element",
            c.right_or_nothing({"N": 1}, {"N": 3}),
        ),
        Case("vacuous_output.onnx", "told by other inputs, or not verified", c.told_or_said),
        Case("compress_refused.onnx", "frozen", c.right_or_nothing({"N": 1}, {"N": 3})),
        Case("compress_refused.onnx", "frozen", c.right_or_nothing({"N": 1}, {"N": 3}), half),
        Case("stack_overflow_prune.onnx", "no crash", c.graceful()),
        Case("stack_overflow_prune.onnx", "no crash", c.graceful(), half),
        Case("oom_prune.onnx", "little memory", c.graceful()),
        Case("oom_prune.onnx", "little memory", c.graceful(), half),
        Case(
            "rows_2pow40_x0.npy", "an error that names the file", c.names_file, UNIT, "check-data"
        ),
        Case(
            "rows_2pow60_x0.safetensors",
            "an error that names the file",
            c.names_file,
            UNIT,
            "check-data",
        ),
        Case(
            "parquet_rows_at516_0x10000000000.parquet",
            "an error that names the file",
            c.names_file,
            UNIT,
            "check-data",
        ),
        Case(
            "parquet_negative_column.parquet",
            "an error that names the file",
            c.names_file,
            UNIT,
            "check-data",
        ),
        Case("terminal_escape.onnx", "names escaped", c.escaped, ["-v"], "inspect"),
        Case("terminal_escape.onnx", "names escaped", c.escaped),
    ]


def second_interrupt(binary: Path, model: Path, folder: Path) -> tuple[bool, str]:
    """Two Ctrl-C end a run that would not end, within seconds."""
    arguments = [binary, model, *TRACT, "-o", folder / "out.onnx"]
    child = subprocess.Popen(
        [str(a) for a in arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=command.environment(),
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
        arguments += [
            case.subcommand,
            *(reader if case.subcommand == "check-data" else []),
            model,
            *case.arguments,
        ]
    else:
        arguments += [model, *case.arguments, "--report", report, "-o", output]
    done = program.execute(
        arguments, case.seconds, memory=6 * command.GIB, environment=command.environment()
    )
    text = report.read_text() if report.exists() else ""
    seen = c.Seen(
        done, json.loads(text) if text else None, output, model, case.seconds, case.megabytes
    )
    try:
        return case.check(seen)
    except Exception as error:  # whatever a broken file raises
        return False, f"{type(error).__name__}: {error}"[:200]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
            what = " ".join([case.subcommand or "", *case.arguments]).strip()[:60] or "prune"
            if not (args.folder / case.file).exists():
                rows.append((f"{case.file} {what}", case.wanted, "no such file", False))
                continue
            ok, got = run(case, args.folder, binary, temporary)
            rows.append((f"{case.file} {what}", case.wanted, got, ok))
            print(
                f"{'ok  ' if ok else 'FAIL'} {case.file} {what}: {got}", file=sys.stderr, flush=True
            )
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
