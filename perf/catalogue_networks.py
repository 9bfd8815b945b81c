"""The networks of perf/catalogue.py: torchvision, families of timm and transformers; small pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

CLASSES = 10
#: torchvision's networks that take nothing smaller.
SIDES = {"inception_v3": 96, "maxvit_t": 224}
#: timm: the smallest of each family.
TIMM = (
    *("botnet26t_256", "cait_xxs24_224", "coat_lite_tiny", "coatnet_nano_rw_224"),
    *(
        "convmixer_768_32",
        "convnext_atto",
        "convnextv2_atto",
        "crossvit_tiny_240",
        "cspresnet50",
        "davit_tiny",
    ),
    *("deit_tiny_patch16_224", "densenet121", "dla34", "dpn48b", "edgenext_xx_small", "efficientformer_l1"),
    *(
        "efficientformerv2_s0",
        "efficientnet_lite0",
        "ese_vovnet19b_slim",
        "eva02_tiny_patch14_224",
        "fastvit_t8",
    ),
    *("focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_050", "gmlp_s16_224", "halonet26t", "hardcorenas_a"),
    *("hgnetv2_b0", "hrnet_w18_small", "inception_v4", "lcnet_035", "levit_128s", "maxvit_rmlp_pico_rw_256"),
    *(
        "mixer_s32_224",
        "mobilenetv2_035",
        "mobilenetv3_small_050",
        "mobilenetv4_conv_small_035",
        "mobilevit_xxs",
    ),
    *(
        "nf_resnet26",
        "pit_ti_224",
        "poolformer_s12",
        "pvt_v2_b0",
        "regnety_002",
        "repvgg_a0",
        "res2net50_14w_8s",
    ),
    *("resmlp_12_224", "resnest14d", "resnet10t", "resnetv2_18", "rexnet_100", "selecsls42", "skresnet18"),
    *("swinv2_cr_tiny_ns_224", "swinv2_tiny_window8_256", "tiny_vit_5m_224", "twins_svt_small", "vgg11"),
    *("visformer_tiny", "vit_tiny_patch16_224", "xception41", "xcit_nano_12_p16_224"),
)


def torchvision_network(name: str) -> tuple[nn.Module, Tensor]:
    """A classifier of torchvision's catalogue and a picture for it."""
    more: dict[str, Any] = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    side = SIDES.get(name, 64)
    if name.startswith("vit_"):
        side = more["image_size"] = 4 * int(name.split("_")[-1])
    net = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **more)
    return net, picture(3, side)


def size(name: str) -> int:
    """Parameters of a torchvision network, as its weights' card says."""
    weights = torchvision.models.get_model_weights(name)
    return int(next(iter(weights)).meta["num_params"])


def timm_network(name: str) -> tuple[nn.Module, Tensor]:
    """The network of that name and a picture of the size it insists on, or smaller."""
    import timm

    for side in (64, 128):
        for more in ({"img_size": side}, {}):
            try:
                net = timm.create_model(name, pretrained=False, num_classes=CLASSES, **more).eval()
                with torch.no_grad():
                    net(picture(3, side))
            except (RuntimeError, ValueError, AssertionError, TypeError):
                continue
            return net, picture(3, side)
    net = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    return net, picture(3, net.pretrained_cfg["input_size"][1])


def _transformers() -> dict[str, Callable[[], Any]]:
    import transformers as tf

    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    patched = {**small, "image_size": 32, "patch_size": 8}
    return {
        "ViT": lambda: tf.ViTConfig(**patched),
        "DeiT": lambda: tf.DeiTConfig(**patched),
        "Beit": lambda: tf.BeitConfig(**patched),
        "Dinov2": lambda: tf.Dinov2Config(**patched),
        "Swin": lambda: tf.SwinConfig(
            image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4
        ),
        "Swinv2": lambda: tf.Swinv2Config(
            image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4
        ),
        "ConvNext": lambda: tf.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        "ConvNextV2": lambda: tf.ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        "ResNet": lambda: tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]),
        "RegNet": lambda: tf.RegNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=4
        ),
        "MobileNetV2": lambda: tf.MobileNetV2Config(depth_multiplier=0.35, image_size=64),
        "PoolFormer": lambda: tf.PoolFormerConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        "Segformer": lambda: tf.SegformerConfig(
            hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], decoder_hidden_size=16
        ),
    }


def transformers_network(name: str) -> tuple[nn.Module, Tensor]:
    """A small classifier of the family and a picture for it."""
    import transformers

    config = _transformers()[name]()
    config.num_labels = CLASSES
    side = getattr(config, "image_size", 64) if name not in ("PoolFormer", "Segformer") else 64
    return getattr(transformers, f"{name}ForImageClassification")(config), picture(3, side)


def picture(channels: int, side: int) -> Tensor:
    """Smooth noise, (1, channels, side, side), float32."""
    noise = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(1))
    return nn.functional.avg_pool2d(noise, 5, 1, 2) * 3


BUILDS: dict[str, Callable[[str], tuple[nn.Module, Tensor]]] = {
    "torchvision": torchvision_network,
    "timm": timm_network,
    "transformers": transformers_network,
}


def names_of(kind: str) -> list[str]:
    """A catalogue's networks, torchvision's small ones first."""
    if kind == "torchvision":
        return sorted(torchvision.models.list_models(module=torchvision.models), key=size)
    return list(TIMM) if kind == "timm" else list(_transformers())
