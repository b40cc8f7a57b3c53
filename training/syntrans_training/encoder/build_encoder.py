"""The encoder that a config asks for: the one place of this folder where a config is read."""

from torch import nn

from syntrans.errors import UsageError
from syntrans_training import backbones
from syntrans_training.config import EncoderConfig


def build_encoder(config: EncoderConfig, *, steps: int = 1, distilled: bool = False) -> backbones.Encoder:
    """The configured encoder with fresh weights, for a training of so many steps.

    Raises `UsageError` when it does not take pictures of the configured sizes; a frozen one sees training views only
    where it is `distilled` later.
    """
    encoder = backbones.build(
        config.backbone,
        size=config.train_size,
        drop_rate=config.drop_rate,
        drop_block=config.drop_block,
        drop_ramp_steps=config.drop_ramp_steps or max(1, steps // 2),
        mean=config.normalise.mean,
        std=config.normalise.std,
    )
    sizes = {config.test_size} if config.method == "frozen" and not distilled else {config.train_size, config.test_size}
    if encoder.size and sizes != {encoder.size}:
        raise UsageError(
            f"{config.backbone} takes pictures of {encoder.size} px; set encoder.train_size, encoder.test_size and "
            f"data.size to {encoder.size}"
        )
    return encoder


def build_to_open(config: EncoderConfig) -> nn.Module:
    """What `open_encoder` fills with the weights of a training; features from elsewhere have no encoder."""
    return nn.Identity() if config.method == "precomputed" else build_encoder(config)
