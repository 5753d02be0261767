"""The models the tools export and compare, with seeded random weights.

`build(name)` gives a module in eval mode and an example input of batch 1. The same
name always gives the same weights.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

import cifar_models

SEED = 20240229
CALIBRATION_BATCH = 4

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NORMS = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


class Source(NamedTuple):
    """Where a model comes from: its constructor, the name there and its input size."""

    make: Callable[[str], nn.Module]
    name: str
    size: int
    batch_norm: bool = True  # whether the model holds BatchNorm


class AnyShape:
    """Equal to every shape: keeps a detection head from rebuilding its anchors."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def from_torchvision(name: str) -> nn.Module:
    from torchvision import models

    options: dict[str, object] = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    if name.startswith("deeplab"):
        options |= {"weights_backbone": None}
    return models.get_model(name, **options)


def from_timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False)


def from_ultralytics(name: str) -> nn.Module:
    """A detection model whose output is the raw head: [batch, 4 + classes, anchors]."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(f"{name}.yaml", verbose=False).eval()
    head = model.model[-1]
    head.export, head.format = True, "onnx"
    with torch.no_grad():
        model(torch.zeros(1, 3, 640, 640))  # makes the anchors
    head.shape = AnyShape()
    return model


def from_cifar(name: str) -> nn.Module:
    return getattr(cifar_models, name)()


# In the order in which they are exported.
MODELS: dict[str, Source] = {
    "resnet18": Source(from_torchvision, "resnet18", 224),
    "resnet50": Source(from_torchvision, "resnet50", 224),
    "mobilenet_v2": Source(from_torchvision, "mobilenet_v2", 224),
    "vit_small_patch16_224": Source(from_timm, "vit_small_patch16_224", 224, False),
    "densenet121": Source(from_torchvision, "densenet121", 224),
    "swin_t": Source(from_torchvision, "swin_t", 224, False),
    "yolov8n": Source(from_ultralytics, "yolov8n", 640),
    "shufflenet_v2_x1_0": Source(from_torchvision, "shufflenet_v2_x1_0", 224),
    "yolov8n_fused": Source(from_ultralytics, "yolov8n", 640, False),
    "cifar_resnet18": Source(from_cifar, "resnet18", 32),
    "cifar_resnet50": Source(from_cifar, "resnet50", 32),
    "cifar_vgg19_bn": Source(from_cifar, "vgg19_bn", 32),
    "squeezenet1_1": Source(from_torchvision, "squeezenet1_1", 224, False),
    "mobilenet_v3_small": Source(from_torchvision, "mobilenet_v3_small", 224),
    "efficientnet_b0": Source(from_torchvision, "efficientnet_b0", 224),
    "googlenet": Source(from_torchvision, "googlenet", 224),
    "inception_v3": Source(from_torchvision, "inception_v3", 299),
    "resnext50_32x4d": Source(from_torchvision, "resnext50_32x4d", 224),
    "regnet_y_400mf": Source(from_torchvision, "regnet_y_400mf", 224),
    "convnext_tiny": Source(from_torchvision, "convnext_tiny", 224, False),
    "deeplabv3_resnet50": Source(from_torchvision, "deeplabv3_resnet50", 224),
    "vit_b_16": Source(from_torchvision, "vit_b_16", 224, False),
    "vgg16_bn": Source(from_torchvision, "vgg16_bn", 224),
    "vgg19": Source(from_torchvision, "vgg19", 224, False),
}


def first_tensor(output: object) -> Tensor:
    """The first tensor of a model's output, be it a tensor, a sequence or a dict."""
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


@torch.no_grad()
def randomize(model: nn.Module, rng: torch.Generator) -> None:
    """Replace by noise the affine parameters of norms and what starts constant or tiny.

    A linear layer's weights are tiny when they drown the input's share of the output.
    """

    def normal(shape: torch.Size, std: float) -> Tensor:
        return torch.randn(shape, generator=rng) * std

    def uniform(shape: torch.Size, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=rng)

    for module in model.modules():
        is_norm = isinstance(module, NORMS)
        for name, p in module.named_parameters(recurse=False):
            constant = bool((p == p.flatten()[0]).all())
            linear = isinstance(module, nn.Linear) and name == "weight"
            tiny = linear and bool(p.std() < 0.5 * p.shape[1] ** -0.5)
            if not p.requires_grad or not (is_norm or constant or tiny):
                continue
            if is_norm and name == "weight":
                p.copy_(uniform(p.shape, 0.5, 1.5))
            elif name.endswith("bias"):
                p.copy_(normal(p.shape, 0.1))
            elif name.startswith("layer_scale"):
                p.copy_(uniform(p.shape, 0.1, 0.5))
            elif p.dim() == 2:
                p.copy_(normal(p.shape, p.shape[1] ** -0.5))
            else:
                p.copy_(normal(p.shape, 0.02))


@torch.no_grad()
def calibrate(model: nn.Module, example: Tensor, rng: torch.Generator) -> None:
    """Set the running statistics near those of noise images, so activations stay sane."""
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS)]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    for m in norms:
        m.train()
        m.momentum = 1.0
    model(torch.randn((CALIBRATION_BATCH, *example.shape[1:]), generator=rng))
    for m, momentum in zip(norms, momenta, strict=True):
        m.eval()
        m.momentum = momentum
        shape = m.running_var.shape
        shift = 0.1 * torch.randn(shape, generator=rng) * m.running_var.sqrt()
        m.running_mean.add_(shift)
        m.running_var.mul_(0.8 + 0.45 * torch.rand(shape, generator=rng)).clamp_(min=1e-4)


def fuse_detector(model: nn.Module) -> nn.Module:
    """Fold BatchNorm and split by slices, as the exporter of ultralytics does."""
    from ultralytics.nn.modules import C2f

    model.fuse(verbose=False)
    for m in model.modules():
        if isinstance(m, C2f):
            m.forward = m.forward_split
    return model


def build(name: str) -> tuple[nn.Module, Tensor]:
    """The model called `name` in eval mode, and an example input [1, 3, size, size]."""
    source = MODELS[name]
    seed = SEED ^ zlib.crc32(f"{source.make.__name__}:{source.name}".encode())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums depends on the number of threads
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = source.make(source.name).eval()
        rng = torch.Generator().manual_seed(seed)
        example = torch.randn((1, 3, source.size, source.size), generator=rng)
        randomize(model, rng)
        calibrate(model, example, rng)
        if name.endswith("_fused"):
            model = fuse_detector(model)
    torch.set_num_threads(threads)
    return model.eval(), example
