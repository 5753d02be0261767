"""Detection models of ultralytics, whose package is licensed under the AGPL-3.0."""

from __future__ import annotations

import os
import tempfile
from functools import partial

import torch
from torch import nn

from .entry import Entry, image

SIZE = 640
NAMES = (
    "yolov5n", "yolov8n", "yolov8s", "yolov8m", "yolov8n-seg", "yolov8n-pose", "yolov9t", "yolov10n",
    "yolo11n", "yolo12n",
)  # fmt: skip


class AnyShape:
    """Equal to every shape: keeps a detection head from rebuilding its anchors."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def make(name: str) -> nn.Module:
    """A model whose first output is the raw head: [batch, 4 + classes, anchors]."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())
    from ultralytics.nn import tasks

    kinds = {"-seg": tasks.SegmentationModel, "-pose": tasks.PoseModel}
    kind = next((k for suffix, k in kinds.items() if name.endswith(suffix)), tasks.DetectionModel)
    model = kind(f"{name}.yaml", verbose=False).eval()
    head = model.model[-1]
    head.export, head.format = True, "onnx"
    with torch.no_grad():
        model(torch.zeros(1, 3, SIZE, SIZE))  # makes the anchors
    head.shape = AnyShape()
    return model


def fuse(model: nn.Module) -> nn.Module:
    """Fold BatchNorm and split by slices, as the exporter of ultralytics does."""
    from ultralytics.nn.modules import C2f

    model.fuse(verbose=False)
    for m in model.modules():
        if isinstance(m, C2f):
            m.forward = m.forward_split
    return model


def entry(name: str, **more: object) -> Entry:
    return Entry(partial(make, name), image(SIZE), f"from_ultralytics:{name}", **more)


def models() -> dict[str, Entry]:
    return {name: entry(name) for name in NAMES}
