"""The smallest model of every module of timm, by parameters, test models aside.

`python -m zoo.timm` counts again and prints the table.
"""

from __future__ import annotations

from functools import partial

import timm
import torch
from torch import nn

from .entry import Entry, image

SMALLEST: dict[str, str] = {
    "starnet": "starnet_s050",
    "dla": "dla46x_c",
    "mobilevit": "mobilevit_xxs",
    "edgenext": "edgenext_xx_small",
    "mobilenetv3": "mobilenetv3_small_050",
    "efficientnet": "mobilenetv2_035",
    "vovnet": "ese_vovnet19b_slim_dw",
    "convnext": "convnext_zepto_rms",
    "repghost": "repghostnet_050",
    "efficientvit_msra": "efficientvit_m0",
    "ghostnet": "ghostnet_050",
    "regnet": "regnetx_002",
    "cspnext": "cspnext_tiny",
    "iformer": "iformer_t",
    "xcit": "xcit_nano_12_p8_224",
    "cspnet": "cs3darknet_focus_s",
    "efficientvit_mit": "efficientvit_b0",
    "swiftformer": "swiftformer_xs",
    "efficientformer_v2": "efficientformerv2_s0",
    "pvt_v2": "pvt_v2_b0",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "lcnetv2": "lcnetv2_small",
    "inception_next": "inception_next_atto",
    "rexnet": "rexnet_100",
    "byobnet": "mobileone_s1",
    "pit": "pit_ti_224",
    "hardcorenas": "hardcorenas_b",
    "resnet": "resnet10t",
    "repvit": "repvit_m1",
    "eva": "vit_tiny_patch16_dinov3_qkvb",
    "coat": "coat_tiny",
    "convit": "convit_tiny",
    "deit": "deit_tiny_patch16_224",
    "vision_transformer": "vit_tiny_patch16_224",
    "mlp_mixer": "gmlp_ti16_224",
    "hgnet": "hgnetv2_b0",
    "shvit": "shvit_s1",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "cpubone": "cpubone_nano",
    "efficientvim": "efficientvim_m1",
    "crossvit": "crossvit_tiny_240",
    "mambaout": "mambaout_femto",
    "maxxvit": "maxvit_pico_rw_256",
    "levit": "levit_128s",
    "densenet": "densenet121",
    "byoanet": "halonet_h1",
    "nfnet": "nf_regnet_b0",
    "dpn": "dpn48b",
    "visformer": "visformer_tiny",
    "resnest": "resnest14d",
    "csatv2": "csatv2",
    "resnetv2": "resnetv2_18",
    "senet": "legacy_seresnet18",
    "metaformer": "poolformerv2_s12",
    "cait": "cait_xxs24_224",
    "sknet": "skresnet18",
    "gcvit": "gcvit_xxtiny",
    "tiny_vit": "tiny_vit_5m_224",
    "efficientformer": "efficientformer_l1",
    "hrnet": "hrnet_w18_small",
    "lowformer": "lowformer_b0",
    "nest": "nest_tiny",
    "convmixer": "convmixer_768_32",
    "vision_transformer_relpos": "vit_srelpos_small_patch16_224",
    "vitamin": "vitamin_small_224",
    "xception": "legacy_xception",
    "tnt": "tnt_s_legacy_patch16_224",
    "inception_v3": "inception_v3",
    "rdnet": "rdnet_tiny",
    "twins": "twins_svt_small",
    "mvitv2": "mvitv2_tiny",
    "res2net": "res2next50",
    "volo": "volo_d1_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "xception_aligned": "xception41p",
    "sequencer": "sequencer2d_s",
    "hiera": "hiera_tiny_224",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "swin_transformer_v2": "swinv2_tiny_window16_256",
    "davit": "davit_tiny",
    "focalnet": "focalnet_tiny_srf",
    "selecsls": "selecsls42",
    "tresnet": "tresnet_m",
    "nextvit": "nextvit_small",
    "inception_v4": "inception_v4",
    "inception_resnet_v2": "inception_resnet_v2",
    "mobilenetv5": "mobilenetv5_base",
    "pnasnet": "pnasnet5large",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "naflexvit": "naflexvit_base_patch16_parfac_gap",
    "beit": "beit_base_patch16_224",
    "qwen3_vit": "qwen3_vit_88m",
    "nasnet": "nasnetalarge",
    "vgg": "vgg11",
    "gemma4_vit": "gemma4_vit_167m",
    "deepseek_vit": "deepseek_vit_412m",
}


def make(name: str) -> nn.Module:
    return timm.create_model(name, pretrained=False)


def entry(name: str, **more: object) -> Entry:
    channels, height, width = timm.get_pretrained_cfg(name).input_size
    inputs = image(height, width, channels)
    return Entry(partial(make, name), inputs, f"from_timm:{name}", **more)


def models() -> dict[str, Entry]:
    return {name: entry(name) for name in SMALLEST.values()}


def count(name: str) -> int:
    """The number of parameters, without making them."""
    with torch.device("meta"):
        return sum(p.numel() for p in make(name).parameters())


def main() -> None:
    for module in timm.list_modules():
        names = timm.list_models(module=module)
        real = [n for n in names if not n.startswith("test_")]
        print(f'    "{module}": "{min(real or names, key=count)}",', flush=True)


if __name__ == "__main__":
    main()
