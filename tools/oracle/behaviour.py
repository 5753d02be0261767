"""Running models in onnxruntime, and how far apart two results are."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import ModelProto

ort.set_default_logger_severity(4)

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
Feed = dict[str, np.ndarray]
LIMIT = 5.0  # seconds of a run
ROUNDING = 2e-6  # of each number
LAST_DIGIT = 2.0**-23  # of 1, which functions such as Sigmoid compute to wherever they are


def session(model: ModelProto | Path, optimized: bool = False) -> ort.InferenceSession:
    """A session of one thread; graph optimization costs more than it gives on tiny models."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def outputs(s: ort.InferenceSession, feed: Feed) -> list[np.ndarray]:
    """The outputs that are tensors; an error where a run takes too long, as that of an endless loop does."""
    options = ort.RunOptions()
    timer = threading.Timer(LIMIT, setattr, [options, "terminate", True])
    timer.start()
    try:
        return [v for v in s.run(None, feed, options) if isinstance(v, np.ndarray)]
    finally:
        timer.cancel()


def random_feed(
    inputs: list, sizes: dict[str, int], seed: int, below: dict[str, int] | None = None
) -> Feed:
    """Random inputs: normal numbers, whole numbers below a limit of the input's own (3 otherwise)."""
    rng = np.random.default_rng(seed)
    feed = {}
    for i in inputs:
        shape = [d if isinstance(d, int) else sizes[str(d)] for d in i.shape]
        dtype = DTYPES[i.type]
        if np.issubdtype(dtype, np.floating):
            feed[i.name] = rng.standard_normal(shape).astype(dtype)
        elif dtype == np.bool_:
            feed[i.name] = rng.integers(0, 2, shape).astype(bool)
        else:
            feed[i.name] = rng.integers(0, (below or {}).get(i.name, 3), shape).astype(dtype)
    return feed


def spread(a: np.ndarray) -> float:
    """The range of an output's ordinary values: from its 2nd to its 98th percentile, or its size if that is 0."""
    finite = a[np.isfinite(a)].astype(np.float64)
    if finite.size == 0:
        return 0.0
    low, high = np.percentile(finite, [2, 98])
    return float(high - low) or float(np.abs(finite).max())


def difference(want: list[np.ndarray], got: list[np.ndarray]) -> float:
    """The largest difference as a share of each output's spread; infinite where shapes or kinds of numbers differ."""
    worst = 0.0
    for a, b in zip(want, got, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        if a.size == 0:
            continue
        if a.dtype.kind != "f":
            worst = max(worst, float((a != b).mean()))
            continue
        finite = np.isfinite(a)
        same = np.array_equal(finite, np.isfinite(b)) and np.array_equal(
            a[~finite], b[~finite], equal_nan=True
        )
        if not same:
            return float("inf")
        x, y = a[finite].astype(np.float64), b[finite].astype(np.float64)
        # The last digits of a number are no difference; they do not widen what others may differ by.
        apart = float((np.abs(x - y) - ROUNDING * np.abs(x) - LAST_DIGIT).max(initial=0.0))
        worst = max(worst, apart / max(spread(a), 1e-4))
    return worst
