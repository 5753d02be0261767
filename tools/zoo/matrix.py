"""The models that every criterion is tried on, in the order of their export."""

from __future__ import annotations

from . import cifar, timm, torchvision, ultralytics
from .entry import Entry


def models() -> dict[str, Entry]:
    vision = torchvision.entry
    return {
        "resnet18": vision("resnet18", batch_norm=True),
        "resnet50": vision("resnet50", batch_norm=True),
        "mobilenet_v2": vision("mobilenet_v2", batch_norm=True),
        "vit_small_patch16_224": timm.entry("vit_small_patch16_224"),
        "densenet121": vision("densenet121", batch_norm=True),
        "swin_t": vision("swin_t"),
        "yolov8n": ultralytics.entry("yolov8n", batch_norm=True),
        "shufflenet_v2_x1_0": vision("shufflenet_v2_x1_0", batch_norm=True),
        "yolov8n_fused": ultralytics.entry("yolov8n", finish=ultralytics.fuse),
        "cifar_resnet18": cifar.entry("resnet18"),
        "cifar_resnet50": cifar.entry("resnet50"),
        "cifar_vgg19_bn": cifar.entry("vgg19_bn"),
        "squeezenet1_1": vision("squeezenet1_1"),
        "mobilenet_v3_small": vision("mobilenet_v3_small", batch_norm=True),
        "efficientnet_b0": vision("efficientnet_b0", batch_norm=True),
        "googlenet": vision("googlenet", batch_norm=True),
        "inception_v3": vision("inception_v3", batch_norm=True),
        "resnext50_32x4d": vision("resnext50_32x4d", batch_norm=True),
        "regnet_y_400mf": vision("regnet_y_400mf", batch_norm=True),
        "convnext_tiny": vision("convnext_tiny"),
        "deeplabv3_resnet50": vision("deeplabv3_resnet50", batch_norm=True),
        "vit_b_16": vision("vit_b_16"),
        "vgg16_bn": vision("vgg16_bn", batch_norm=True),
        "vgg19": vision("vgg19"),
    }
