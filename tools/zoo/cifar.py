"""Classifiers for 32x32 images, in the shapes used by pruning benchmarks.

With 100 classes they hold 11.22 M (ResNet-18), 23.70 M (ResNet-50) and 20.09 M
(VGG-19 with BatchNorm) parameters.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .entry import Entry, image

VGG19_STAGES = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution without bias that keeps the size (at stride 1), then BatchNorm."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class Residual(nn.Module):
    """A residual block: `body` beside an identity or a projecting shortcut."""

    def __init__(self, body: nn.Sequential, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.body = body
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else conv_bn(c_in, c_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def basic_block(c_in: int, width: int, stride: int) -> Residual:
    """Two 3x3 convolutions."""
    body = nn.Sequential(conv_bn(c_in, width, 3, stride), nn.ReLU(), conv_bn(width, width, 3))
    return Residual(body, c_in, width, stride)


def bottleneck(c_in: int, width: int, stride: int) -> Residual:
    """1x1, 3x3 and 1x1 convolutions; the last one widens four times."""
    body = nn.Sequential(
        conv_bn(c_in, width, 1),
        nn.ReLU(),
        conv_bn(width, width, 3, stride),
        nn.ReLU(),
        conv_bn(width, 4 * width, 1),
    )
    return Residual(body, c_in, 4 * width, stride)


class CifarResNet(nn.Module):
    """A ResNet with a 3x3 stem and no max pooling."""

    def __init__(self, depths: tuple[int, ...], wide: bool, classes: int = 100) -> None:
        super().__init__()
        block, expansion = (bottleneck, 4) if wide else (basic_block, 1)
        self.stem = nn.Sequential(conv_bn(3, 64, 3), nn.ReLU())
        stages: list[nn.Sequential] = []
        channels = 64
        for stage, depth in enumerate(depths):
            width = 64 << stage
            blocks: list[Residual] = []
            for i in range(depth):
                blocks.append(block(channels, width, 2 if stage and i == 0 else 1))
                channels = width * expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class CifarVgg19(nn.Module):
    """VGG-19 with BatchNorm and a single linear layer as its classifier."""

    def __init__(self, classes: int = 100) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for i, stage in enumerate(VGG19_STAGES):
            if i:
                layers.append(nn.MaxPool2d(2))
            for width in stage:
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


def resnet18() -> nn.Module:
    return CifarResNet((2, 2, 2, 2), wide=False)


def resnet50() -> nn.Module:
    return CifarResNet((3, 4, 6, 3), wide=True)


def vgg19_bn() -> nn.Module:
    return CifarVgg19()


MAKERS = {"resnet18": resnet18, "resnet50": resnet50, "vgg19_bn": vgg19_bn}


def entry(name: str) -> Entry:
    return Entry(MAKERS[name], image(32), f"from_cifar:{name}", batch_norm=True)


def models() -> dict[str, Entry]:
    return {name: entry(name) for name in MAKERS}
