"""Models of ultralytics, from their configurations, with random weights and the raw head."""

from __future__ import annotations

import os
import tempfile
from functools import partial

import torch
from torch import nn

from zoo.ports import Case, image

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())

NAMES = (
    "yolov5n", "yolov8n", "yolov8s", "yolov8m", "yolov8n-seg", "yolov8n-pose", "yolov9t", "yolov10n",
    "yolo11n", "yolo12n",
)  # fmt: skip
SIZE = 320


class AnyShape:
    """Equal to every shape: keeps a detection head from rebuilding its anchors."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def make(name: str) -> nn.Module:
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


CASES: dict[str, Case] = {name: Case(partial(make, name), (image("images", SIZE),)) for name in NAMES}
