#!/usr/bin/env python3
"""Train the small Fashion-MNIST ResNet used as a fixture and export it to ONNX.

Writes three files into the output folder:

* ``fashion_resnet.onnx``: the network, its BatchNormalization nodes kept;
* ``fashion-images-idx3-ubyte.gz`` and ``fashion-labels-idx1-ubyte.gz``: the
  first images of the test set and their labels, in the MNIST IDX format.

The network takes ``image``, float32 [batch, 1, 28, 28] holding pixel / 255, and
gives ``logits``, float32 [batch, 10].

Usage: python tools/train_fixture.py [--data DIR] [--out DIR] [--epochs N]
"""

from __future__ import annotations

import argparse
import gzip
import struct
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEBIAN_DATA = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

WIDTHS = (24, 48, 96)
BLOCKS_PER_STAGE = 2
OPSET = 17
MAX_MODEL_BYTES = 2_000_000
SHIFT = 2  # largest random translation, in pixels


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a residual connection (He et al., 2015)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class FashionResNet(nn.Module):
    """Stem (3x3 convolution, max-pool), three residual stages, linear head."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(WIDTHS[0])
        self.pool = nn.MaxPool2d(2)
        blocks: list[nn.Module] = []
        c_in = WIDTHS[0]
        for stage, c_out in enumerate(WIDTHS):
            for index in range(BLOCKS_PER_STAGE):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(BasicBlock(c_in, c_out, stride))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(c_in, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool(F.relu(self.bn(self.conv(image))))
        x = F.adaptive_avg_pool2d(self.blocks(x), 1)
        return self.head(torch.flatten(x, 1))


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    zeros, kind, rank = struct.unpack_from(">HBB", raw)
    if zeros != 0 or kind != 0x08:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack_from(f">{rank}I", raw, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as a gzipped IDX file, the same bytes every time."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), 9, mtime=0))


def to_input(pixels: np.ndarray) -> Tensor:
    """Turn [n, 28, 28] bytes into the network's [n, 1, 28, 28] input."""
    return torch.from_numpy(pixels).float().div_(255).unsqueeze(1)


def augment(x: Tensor) -> Tensor:
    """Mirror each image half of the time and move it by up to SHIFT pixels."""
    n, _, height, width = x.shape
    mirrored = torch.rand(n) < 0.5
    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    padded = F.pad(x, (SHIFT,) * 4)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2, n, 1, 1))
    rows = top + torch.arange(height)[None, :, None]
    columns = left + torch.arange(width)[None, None, :]
    images = torch.arange(n)[:, None, None]
    return padded[images, 0, rows, columns].unsqueeze(1)


def train(
    net: nn.Module, x: Tensor, y: Tensor, epochs: int, batch: int, max_lr: float
) -> None:
    """SGD with Nesterov momentum under a one-cycle learning rate, in bfloat16."""
    steps = len(x) // batch
    optimiser = torch.optim.SGD(
        net.parameters(), max_lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr, epochs * steps, pct_start=0.25, cycle_momentum=False
    )
    net.train()
    for epoch in range(epochs):
        start, total = time.monotonic(), 0.0
        order = torch.randperm(len(x))
        for picked in order[: steps * batch].split(batch):
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(augment(x[picked]))
            loss = F.cross_entropy(logits.float(), y[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds = time.monotonic() - start
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {seconds:.0f} s", flush=True)


@torch.no_grad()
def predict(net: nn.Module, x: Tensor) -> np.ndarray:
    """The network's logits, computed by PyTorch."""
    return torch.cat([net(part) for part in x.split(500)]).numpy()


def predict_onnx(path: Path, x: Tensor) -> np.ndarray:
    """The exported model's logits, computed by ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate(
        [session.run(["logits"], {"image": part.numpy()})[0] for part in x.split(500)]
    )


def strip_metadata(model: onnx.ModelProto) -> None:
    """Drop documentation strings and properties, which can hold source paths."""
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info, *graph.initializer]
    for item in (model, graph, *graph.node, *values):
        item.ClearField("doc_string")
        if "metadata_props" in item.DESCRIPTOR.fields_by_name:
            item.ClearField("metadata_props")


def export(net: nn.Module, path: Path) -> None:
    """Export the evaluation-mode network with its BatchNormalization nodes kept."""
    torch.onnx.export(
        net,
        (torch.zeros(1, 1, 28, 28),),
        path,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,  # EVAL would fuse BatchNorm
        do_constant_folding=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )
    model = onnx.load(path)
    strip_metadata(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of rows whose largest logit is the label's."""
    return float((logits.argmax(1) == labels).mean())


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEBIAN_DATA, help="IDX files")
    parser.add_argument("--out", type=Path, default=FIXTURES, help="output folder")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--max-lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=500, help="test images kept")
    return parser.parse_args()


def main() -> None:
    """Train, export, check, and write the fixtures."""
    args = parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)

    x_train = to_input(read_idx(args.data / "train-images-idx3-ubyte.gz"))
    y_train = torch.from_numpy(read_idx(args.data / "train-labels-idx1-ubyte.gz")).long()
    images = read_idx(args.data / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(args.data / "t10k-labels-idx1-ubyte.gz")

    net = FashionResNet().to(memory_format=torch.channels_last)  # faster on CPUs
    train(net, x_train, y_train, args.epochs, args.batch, args.max_lr)
    net.eval()

    args.out.mkdir(parents=True, exist_ok=True)
    write_idx(args.out / "fashion-images-idx3-ubyte.gz", images[: args.samples])
    write_idx(args.out / "fashion-labels-idx1-ubyte.gz", labels[: args.samples])
    path = args.out / "fashion_resnet.onnx"
    export(net, path)

    x_test = to_input(images)
    expected, logits = predict(net, x_test), predict_onnx(path, x_test)
    difference = float(np.abs(expected - logits).max())
    size = path.stat().st_size
    print(f"parameters: {sum(p.numel() for p in net.parameters())}, file: {size} bytes")
    print(f"largest logit difference, PyTorch to ONNX Runtime: {difference:.2e}")
    print(f"accuracy, all {len(labels)} test images: {accuracy(logits, labels):.4f}")
    n = args.samples
    print(f"accuracy, first {n} test images: {accuracy(logits[:n], labels[:n]):.4f}")
    if difference > 1e-3 or size >= MAX_MODEL_BYTES:
        raise SystemExit("the exported model differs from PyTorch or is too large")


if __name__ == "__main__":
    main()
