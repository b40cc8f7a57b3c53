"""The texts of a split's classes, each variant embedded once, as class vectors."""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from syntrans_training.text.class_vectors import NONE, SIMILARITIES, EmbeddedTexts, Knowledge, embed_texts
from syntrans_training.text.encoders import TextEncoder

# (variant, name share, draw) -> unit class vectors [C, s] of a split
Vectors = Callable[[str, float, int], Tensor]

# (variant, draw) -> the embedded texts of a split
TextsOfVariant = Callable[[str, int], EmbeddedTexts]


def texts_of_variant(
    knowledge: Knowledge,
    classes: Sequence[str],
    encoder: TextEncoder,
    *,
    descriptor_template: str,
    name_template: str,
    weighting: str,
) -> TextsOfVariant:
    """The texts of these classes, each variant embedded once."""

    @cache
    def bank(variant: str, draw: int) -> EmbeddedTexts:
        return embed_texts(
            knowledge,
            classes,
            encoder,
            variant,
            descriptor_template=descriptor_template,
            name_template=name_template,
            draw=draw,
            weighting=weighting,
        )

    return bank


def class_vectors(bank: TextsOfVariant) -> Vectors:
    """The `Vectors` of these texts; variant `none` says nothing: the same zeros of every class.

    Variant `similarities` are the means of the kept descriptors, which are not unit.
    """

    @cache  # many rows ask for the same vectors
    def vectors(variant: str, share: float, draw: int) -> Tensor:
        if variant == NONE:
            return torch.zeros(bank("name", 0).names.shape)
        if variant == SIMILARITIES:
            return torch.from_numpy(bank("kept", draw).means())
        return torch.from_numpy(bank(variant, draw).vectors(share))

    return vectors
