"""What a training was made with, in plain values: its encoder, its texts, its tasks, its imagined supports."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from syntrans_training.text.text_encoder_choice import in_clip, text_encoder_ref


@dataclass(frozen=True)
class EncoderOfRun:
    """The network that the features come from; ``fresh`` makes one for its weights, ``views`` are the baselines'."""

    backbone: str
    method: str
    test_size: int
    distilled: bool
    fresh: Callable[[], nn.Module]
    views: dict[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        """What a summary says of it."""
        return {"backbone": self.backbone, "method": self.method, "test_size": self.test_size}


@dataclass(frozen=True)
class TextsOfRun:
    """How class texts are read: ``choice`` decides the encoder."""

    choice: dict[str, str]
    descriptor_template: str
    name_template: str
    weighting: str

    @property
    def reading(self) -> dict[str, str]:
        """What class texts are made with, beside the encoder: both templates and the weighting."""
        names = ("descriptor_template", "name_template", "weighting")
        return {name: getattr(self, name) for name in names}

    @property
    def encoder(self) -> str:
        """The text encoder; `EnvironmentProblem` where it is not installed."""
        return text_encoder_ref(**self.choice)

    @property
    def in_clip(self) -> bool:
        """Whether it is the other tower of the pictures' CLIP."""
        return in_clip(**self.choice)


@dataclass(frozen=True)
class TasksOfRun:
    """The few-shot tasks that were trained for, and those of val on which the bridge was chosen."""

    ways: int
    shots: tuple[int, ...]
    queries: int
    seed: int
    val_episodes: int
    val_seed: int

    @property
    def shape(self) -> dict[str, Any]:
        """What tasks look like, of every number of shots: `ways`, `shots` and `queries`."""
        return {"ways": self.ways, "shots": self.shots, "queries": self.queries}


@dataclass(frozen=True)
class ImaginedOfRun:
    """The file of imagined pictures (None: the newest), and how many of a class became supports."""

    file: str | None
    supports: int
