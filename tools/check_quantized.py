"""Quantizes float models with onnxruntime's own tools, prunes the result and runs it.

    tools/.venv/bin/python tools/check_quantized.py MODEL.onnx... [--speedup 2x] [--keep FOLDER]

Every model is quantized in five ways: pairs of QuantizeLinear and DequantizeLinear with a scale for each channel and
with one for all, the fused operators (QLinearConv and its kin) likewise, and dynamically. For each the table says how
far the program got, whether the file passes the checker and runs with the original output shapes at two batch sizes,
what the program's own verification found, and how alike the chosen channels are to those of the float model.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

import program
from model_checks import valid

BATCHES = (1, 3)
CALIBRATION = 8


class Noise(CalibrationDataReader):
    """Random pictures: ranges need not be those of real data here."""

    def __init__(self, model: Path) -> None:
        session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        rng = np.random.default_rng(0)
        self.batches = iter([feed(session, 2, rng) for _ in range(CALIBRATION)])

    def get_next(self):
        return next(self.batches, None)


def feed(session: ort.InferenceSession, batch: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random inputs; what is open in the first place is the batch."""
    result = {}
    for i in session.get_inputs():
        shape = [d if isinstance(d, int) else batch if axis == 0 else 1 for axis, d in enumerate(i.shape)]
        result[i.name] = rng.standard_normal(shape).astype(np.float32)
    return result


def static(form: QuantFormat, per_channel: bool, weights: QuantType):
    def make(source: Path, target: Path) -> None:
        quantize_static(
            source,
            target,
            Noise(source),
            quant_format=form,
            per_channel=per_channel,
            weight_type=weights,
            activation_type=QuantType.QUInt8,
        )

    return make


WAYS = {
    "pairs, per channel": static(QuantFormat.QDQ, True, QuantType.QInt8),
    "pairs, per tensor": static(QuantFormat.QDQ, False, QuantType.QUInt8),
    "fused, per channel": static(QuantFormat.QOperator, True, QuantType.QInt8),
    "fused, per tensor": static(QuantFormat.QOperator, False, QuantType.QUInt8),
    "dynamic": lambda source, target: quantize_dynamic(source, target, weight_type=QuantType.QUInt8),
}


def runs(before: Path, after: Path) -> str:
    """Empty if both run and give outputs of equal names, shapes and types."""
    rng = np.random.default_rng(1)
    sessions = [ort.InferenceSession(str(p), providers=["CPUExecutionProvider"]) for p in (before, after)]
    for batch in BATCHES:
        inputs = feed(sessions[0], batch, rng)
        old, new = ([(o.shape, o.dtype) for o in s.run(None, inputs)] for s in sessions)
        if old != new:
            return f"{old} became {new} at batch {batch}"
    return ""


def overlap(float_report: dict, report: dict) -> float:
    """Share of the float model's removed channels that the quantized model loses too, group by group."""
    gone = [
        {g["name"].replace("_quantized", ""): set(range(g["before"])) - set(g["kept"]) for g in r["groups"]}
        for r in (float_report, report)
    ]
    both = sum(len(removed & gone[1].get(name, set())) for name, removed in gone[0].items())
    return both / max(1, sum(len(removed) for removed in gone[0].values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--speedup", default="2x")
    parser.add_argument("--binary", type=Path, default=program.BINARY)
    parser.add_argument("--keep", type=Path, help="folder for the quantized and pruned models")
    args = parser.parse_args()
    options = ["--criterion", "l2", "--speedup", args.speedup, "--no-latency", "--force"]
    print("| model | quantized | groups | speed-up | bytes | verified | runs | as float |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for model in args.models:
            plain = program.prune(args.binary, model, options, folder / f"{model.stem}_pruned.onnx").report
            for way, make in WAYS.items():
                name = f"{model.stem}_{way.replace(', ', '_').replace(' ', '_')}"
                source, target = folder / f"{name}.onnx", folder / f"{name}_pruned.onnx"
                target.unlink(missing_ok=True)
                try:
                    make(model, source)
                except Exception as error:  # the quantizer raises anything
                    print(f"| {model.stem} | {way} | not quantized: {str(error)[:80]} | | | | | |", flush=True)
                    continue
                run = program.prune(args.binary, source, options, target)
                if run.report is None or not target.exists():
                    print(f"| {model.stem} | {way} | {run.message} | | | | | |", flush=True)
                    continue
                r, check = run.report, run.report["verification"]
                verdict = f"{check['difference']:.1e}" if check else "no: " + " ".join(run.report["warnings"])[:80]
                works = valid(target) or runs(source, target) or "yes"
                shrunk = sum(g["after"] < g["before"] for g in r["groups"])
                bytes_ = f"{source.stat().st_size} → {target.stat().st_size}"
                alike = f"{overlap(plain, r):.0%}" if plain else ""
                print(
                    f"| {model.stem} | {way} | {shrunk} of {len(r['groups'])} | {r['speedup']:.2f}x "
                    f"| {bytes_} | {verdict} | {works} | {alike} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
