"""Every model of torchvision: classification, segmentation, detection, video, flow."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torchvision import models as tv

from .entry import Entry, Inputs, image, noise

DETECTION_SIZE = 320  # smaller than the default, which is 800 for most
CLIP = (3, 16, 112, 112)  # frames come second
INPUTS: dict[str, Inputs] = {
    "inception_v3": image(299),
    "quantized_inception_v3": image(299),
    "maxvit_t": image(224),
    "raft_large": noise(first=(3, 128, 160), second=(3, 128, 160)),
    "raft_small": noise(first=(3, 128, 160), second=(3, 128, 160)),
    "mvit_v1_b": noise(clip=(3, 16, 224, 224)),
    "mvit_v2_s": noise(clip=(3, 16, 224, 224)),
    "s3d": noise(clip=(3, 16, 224, 224)),
    "ssd300_vgg16": image(300),
}


class Detector(nn.Module):
    """A detection model that takes one image [1, 3, height, width] and gives a tuple."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: Tensor) -> tuple[Tensor, ...]:
        found = self.model([input[0]])
        if isinstance(found, tuple):  # what scripting gives: losses and detections
            found = found[1]
        return tuple(found[0].values())


class Flow(nn.Module):
    """An optical flow model that gives its last estimate only."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.model(first, second)[-1]


def make(name: str) -> nn.Module:
    options: dict[str, object] = {"weights": None}
    if "googlenet" in name or "inception_v3" in name:
        options |= {"aux_logits": False, "init_weights": True}
    builder = tv.get_model_builder(name)
    kind = builder.__module__
    if kind.startswith(("torchvision.models.detection", "torchvision.models.segmentation")):
        options |= {"weights_backbone": None}
    if "rcnn" in name or "retinanet" in name or "fcos" in name:
        options |= {"min_size": DETECTION_SIZE, "max_size": DETECTION_SIZE}
    model = builder(**options)
    if kind.startswith("torchvision.models.detection"):
        return Detector(model)
    if kind.startswith("torchvision.models.optical_flow"):
        return Flow(model)
    return model


def entry(name: str, **more: object) -> Entry:
    kind = tv.get_model_builder(name).__module__
    detection = kind.startswith("torchvision.models.detection")
    if kind.startswith("torchvision.models.video"):
        inputs = noise(clip=CLIP)
    else:
        inputs = image(DETECTION_SIZE if detection else 224)
    return Entry(
        partial(make, name), INPUTS.get(name, inputs), f"from_torchvision:{name}",
        open_batch=not detection, **more,
    )  # fmt: skip


def parameters(name: str) -> int:
    """The published number of parameters."""
    return min(w.meta["num_params"] for w in tv.get_model_weights(name))


def models() -> dict[str, Entry]:
    return {name: entry(name) for name in sorted(tv.list_models(), key=parameters)}
