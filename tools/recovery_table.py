"""Accuracy right after pruning, without training, for every criterion; writes `docs/RECOVERY.md`.

    python tools/recovery_table.py MODEL CIFAR_TAR [--speedup 2x] [--samples 256] [--test 10000] [--only NAME ...]

Each model is pruned four times per criterion: as it is, with --refit, with --recalibrate-bn, with both. What the data
tells comes from the training split; accuracy is measured here, by onnxruntime, on the test split.
"""

import argparse
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CRITERIA = ["l1", "l2", "lamp", "fpgm", "bnscale", "random", "hrank", "cp", "thinet"]
VARIANTS = {"pruned": [], "refit": ["--refit"], "BN": ["--recalibrate-bn"], "both": ["--refit", "--recalibrate-bn"]}
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
HEAD = """# Accuracy without training

Right answers (%) of `{model}` on {test:,} test pictures, right after pruning to {speedup} fewer MACs with
protected-global; {original:.2f} % before. *refit* solves the least squares of the layers that read what shrank, *BN*
moves the statistics of batch normalisations, both from {samples} training pictures; labels are not used.
One run, onnxruntime {runtime}; so many pictures tell a figure to {spread:.1f} points either way.

| criterion | pruned | refit | BN | refit and BN |
| --- | --- | --- | --- | --- |
"""
BEST = "\nBoth together beat either alone, whatever the criterion. What the criterion decides is where they start from.\n"
MOVED = """
## Data unlike the model's own

Statistics of batch normalisations are moved, not replaced: each channel gets the mean and variance with which it gives
on the data what it gave in the original, (x − mean) / √variance with the same mean and deviation. Where the data is
like what the model was trained on, that is what replacing them by those of the data does; elsewhere it keeps the
model's own way of seeing such data. Right answers (%) of `fashion_resnet.onnx` (93.2) on 250 test pictures, by l2 at
1.1x from 250 others, and of `cifar10_resnet20_bn.onnx` (80.6) on 500 at 2x from 256:

| pictures to calibrate on | pruned | replaced | mean shifted by the difference | moved |
| --- | --- | --- | --- | --- |
| Fashion-MNIST | 90.0 | 92.4 | 92.8 | 92.8 |
| the same at a quarter of the brightness | 90.0 | 79.6 | 93.6 | 92.8 |
| the same as negatives | 90.0 | 58.0 | 90.4 | 91.6 |
| noise | 90.0 | 8.4 | 8.0 | 33.6 |
| CIFAR-10, l2 | 13.0 | 51.6 | 50.8 | 53.4 |
| CIFAR-10, lamp | 11.8 | 34.8 | 32.4 | 37.8 |

No statistics of noise help; data must at least look like pictures of that kind.
"""


def test_set(tar, count):
    """The first pictures of each class, normalised, with their classes."""
    by_class = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) == 3 and parts[0] == "test" and parts[2].endswith(".jpg"):
                of = by_class.setdefault(parts[1], [])
                if len(of) < -(-count // 10):
                    pixels = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                    of.append((np.asarray(pixels, np.float32).transpose(2, 0, 1) / 255 - MEAN) / STD)
    names = sorted(by_class)
    labels = np.concatenate([np.full(len(by_class[n]), i) for i, n in enumerate(names)])
    return np.concatenate([np.stack(by_class[n]) for n in names]).astype(np.float32), labels


def accuracy(path, images, labels):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name, right = session.get_inputs()[0].name, 0
    for i in range(0, len(images), 250):
        (logits,) = session.run(None, {name: images[i : i + 250]})
        right += int((logits.argmax(1) == labels[i : i + 250]).sum())
    return 100 * right / len(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("tar")
    parser.add_argument("--speedup", default="2x")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--test", type=int, default=10000)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/onnx-prune")
    parser.add_argument("--only", nargs="*", default=CRITERIA)
    args = parser.parse_args()
    images, labels = test_set(args.tar, args.test)
    original = accuracy(args.model, images, labels)
    rows, best = [], True
    with tempfile.TemporaryDirectory() as folder:
        for criterion in args.only:
            cells = []
            for options in VARIANTS.values():
                out = Path(folder) / "pruned.onnx"
                command = [args.program, args.model, "--criterion", criterion, "--speedup", args.speedup, "-o", out, "-q"]
                command += ["--no-latency", "--data", args.tar, "--samples", str(args.samples)]
                subprocess.run([*command, "--preprocess", "cifar", "--batch", "64", *options], check=True)
                cells.append(accuracy(out, images, labels))
            best &= cells[3] > max(cells[:3])
            rows.append(f"| {criterion} | {' | '.join(f'{c:.2f}' for c in cells)} |")
            print(rows[-1], flush=True)
    head = HEAD.format(
        model=args.model.name,
        test=len(images),
        speedup=args.speedup,
        original=original,
        samples=args.samples,
        runtime=onnxruntime.__version__,
        # 95 % of the time, at half right answers.
        spread=98 / len(images) ** 0.5,
    )
    command = f"\n`python tools/recovery_table.py {args.model.name} cifar10-jpeg.tar.gz --test {len(images)}`\n"
    (ROOT / "docs/RECOVERY.md").write_text(head + "\n".join(rows) + "\n" + BEST * best + MOVED + command)


if __name__ == "__main__":
    main()
