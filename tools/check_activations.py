"""Statistics of activations, and what is made of them, against plain NumPy and torch.

    python tools/check_activations.py MODEL CIFAR_TAR [--samples 16] [--positions 1000000]

runs the example `statistics` (cargo build --release --example statistics) on pictures of the tar file and compares
Gram matrices (to 1e-5 of the largest entry), LASSO scores (to 1e-4), greedy scores (the same order, but for choices that
are equal to 1e-5 of the trace) and ranks (equal for 99.9 % of the maps). With `--speed` it compares times instead, at as
many positions as by default: cp and thinet take at most 3 forward passes, ranks a quarter of torch's time.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]


def pictures(tar, count, split="train"):
    """The first pictures of each class in turn, normalised."""
    by_class = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) == 3 and parts[0] == split and parts[2].endswith(".jpg"):
                of = by_class.setdefault(parts[1], [])
                if len(of) < -(-count // 10):
                    image = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                    of.append(np.asarray(image, np.float32).transpose(2, 0, 1) / 255)
    mixed = [p for group in zip(*by_class.values()) for p in group]
    return np.stack([(p - MEAN) / STD for p in mixed[:count]]).astype(np.float32)


def attribute(node, name, default):
    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def activations(model, names, images):
    """Tensors by name, for all pictures at once."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    have = {o.name for o in copy.graph.output}
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names if n not in have)
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(list(names), {session.get_inputs()[0].name: images})
    return dict(zip(names, outputs))


def shares(node, weight, x):
    """Output share of every input channel, channels first: one convolution (or matrix product) per channel."""
    if node.op_type == "Gemm":
        w = weight if attribute(node, "transB", 0) else weight.T
        return np.einsum("ni,oi->ino", x, w).reshape(x.shape[1], -1)
    kernel, pads = weight.shape[2:], attribute(node, "pads", [0, 0, 0, 0])
    stride = attribute(node, "strides", [1, 1])
    padded = np.pad(x, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])])
    patches = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    return np.stack(
        [np.tensordot(patches[:, i], weight[:, i], ((3, 4), (1, 2))).reshape(-1) for i in range(x.shape[1])]
    )


def lasso(gram, target, penalty, beta):
    """argmin βᵀGβ − 2bᵀβ + penalty·‖β‖₁, from the minimum at a larger penalty; None where it is not found.

    An active set: towards the minimum for the signs at hand, as far as they hold; who joins is what most violates the
    conditions of optimality, which the answer satisfies.
    """
    beta, joining = beta.copy(), np.zeros(len(target))
    for _ in range(20 * len(target)):
        signs = np.sign(beta) + joining
        on = np.flatnonzero(signs)
        goal = np.linalg.lstsq(gram[np.ix_(on, on)], target[on] - penalty / 2 * signs[on], rcond=None)[0]
        turned = goal * signs[on] <= 0
        if turned.any():
            steps = beta[on][turned] / (beta[on][turned] - goal[turned])
            first, step = on[turned][np.argmin(steps)], steps.min()
            beta[on] += step * (goal - beta[on])
            beta[first] = joining[first] = 0
            continue
        beta[on], joining = goal, np.zeros(len(target))
        slope = 2 * (target - gram @ beta)
        slope[on] = 0
        worst = np.argmax(np.abs(slope))
        if np.abs(slope[worst]) <= penalty * (1 + 1e-7):
            return beta
        joining[worst] = np.sign(slope[worst])
    return None


def wrong_entries(gram, target, scores, part=1e-4):
    """Channels whose score is not the largest penalty with β ≠ 0, to a ten-thousandth; how many were examined."""
    # Far down the path the Gram matrix of float32 activations says nothing any more.
    channels = np.flatnonzero(scores > 2e-5 * np.abs(target).max())
    tests = [(scores[c] * (1 + side * part), c, side < 0) for c in channels for side in (1, -1)]
    beta, entered, wrong = np.zeros(len(target)), np.zeros(len(target), bool), set()
    for penalty, c, inside in sorted(tests, reverse=True):
        beta = lasso(gram, target, penalty, beta)
        if beta is None:
            return len(channels), len(channels)
        entered |= beta != 0
        if entered[c] != inside:
            wrong.add(c)
    return len(wrong), len(channels)


def greedy(gram):
    n, gone, turn = len(gram), [], np.zeros(len(gram))
    for step in range(1, n + 1):
        best = min((c for c in range(n) if turn[c] == 0), key=lambda c: gram[np.ix_(gone + [c], gone + [c])].sum())
        gone.append(best)
        turn[best] = step
    return turn


def agree(turns, ours, gram):
    """Whether turns are equal, or differ only between choices that are equal to rounding."""
    order = np.argsort(ours)
    gone = []
    for best in order:
        rise = lambda c: gram[np.ix_(gone + [c], gone + [c])].sum()
        least = min(rise(c) for c in range(len(gram)) if c not in gone)
        if rise(best) > least + 1e-5 * gram.trace():
            return False
        gone.append(int(best))
    return True


def ranks_of_maps(path):
    """Ours and torch's ranks of dumped maps, and torch's seconds."""
    import torch

    data = np.fromfile(path, np.float32)
    at, same, total, seconds = 0, 0, 0, 0.0
    while at < len(data):
        h, w, n = (int(v) for v in data[at : at + 3])
        ours = data[at + 3 : at + 3 + n]
        maps = torch.from_numpy(data[at + 3 + n : at + 3 + n + n * h * w].reshape(n, h, w).copy())
        at += 3 + n + n * h * w
        clock = time.perf_counter()
        theirs = torch.linalg.matrix_rank(maps)
        seconds += time.perf_counter() - clock
        same += int((theirs.numpy() == ours).sum())
        total += n
    return same, total, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("tar")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--positions", type=int, default=1_000_000)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/examples/statistics")
    args = parser.parse_args()
    images = pictures(args.tar, args.samples)
    with tempfile.TemporaryDirectory() as folder:
        raw, out, maps = (Path(folder) / n for n in ("images", "out.json", "maps"))
        images.tofile(raw)
        command = [args.program, args.model, raw, out, "--maps", maps]
        if not args.speed:
            command += ["--positions", str(args.positions), "--batch", "8"]
        subprocess.run(command, check=True)
        same, total, seconds = ranks_of_maps(maps)
        print(f"ranks: {same} of {total} maps equal ({same / total:.5f})")
        found = json.loads(out.read_text())
        if args.speed:
            ours = found["seconds"]
            grams, ranks = ours["grams"] / ours["forward"], ours["maps"] / seconds
            print(f"Gram matrices: {grams:.2f} forward passes")
            print(f"ranks: {ranks:.3f} of torch.linalg.matrix_rank's {seconds:.3f} s for the first batch")
            sys.exit(grams > 3 or ranks > 0.25 or same < 0.999 * total)

    model = onnx.load(args.model)
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    readers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm") and n.input[1] in weights]
    tensors = activations(model, sorted({n.input[0] for n in readers}), images)
    worst, wrong, off, examined = 0.0, 0, 0, 0
    for group in found["groups"]:
        z, read = [], dict(group["reads"])
        for node in readers:
            if node.input[1] in read:
                each = shares(node, weights[node.input[1]], tensors[node.input[0]])
                # Where an axis holds other groups too, or several positions for a channel.
                channel = np.array(read[node.input[1]])
                z.append(np.stack([each[channel == c].sum(0) for c in range(group["channels"])]))
        gram = sum(s.astype(np.float64) @ s.astype(np.float64).T for s in z)
        ours = np.array(group["gram"]).reshape(gram.shape)
        worst = max(worst, np.abs(gram - ours).max() / np.abs(gram).max())
        bad, all_ = wrong_entries(ours, ours.sum(1), np.array(group["scores"]["cp"]))
        off, examined = off + bad, examined + all_
        wrong += not agree(greedy(gram), np.array(group["scores"]["thinet"]), gram)
    print(f"Gram matrices: largest difference {worst:.1e} of the largest entry")
    print(f"cp: {off} of {examined} scores further than 0.01 % from NumPy's")
    print(f"thinet: {wrong} of {len(found['groups'])} groups in another order")
    sys.exit(worst > 1e-5 or off > 0 or wrong > 0 or same < 0.999 * total)


if __name__ == "__main__":
    main()
