"""Numbers exactly as wide as the files hold them, and texts from a fixed list, as pydantic types."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from syntrans.text_safety import plain_text


def float32(value: float) -> float:
    """``value`` as a file keeps it; ValueError if it does not fit."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError as error:
        raise ValueError("does not fit into 32 bits") from error


def one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    """A check that a text is one of ``names``, for an AfterValidator."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return check


Float32 = Annotated[float, Field(allow_inf_nan=False), AfterValidator(float32)]
Probability = Annotated[float, Field(ge=0, le=1), AfterValidator(float32)]
Cosine = Annotated[float, Field(ge=-1.001, le=1.001, allow_inf_nan=False), AfterValidator(float32)]
"""A cosine of unit vectors, with room for the rounding of 16-bit ones."""
Margin = Annotated[float, Field(ge=-2.002, le=2.002, allow_inf_nan=False), AfterValidator(float32)]
"""A difference of two cosines."""
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(float32)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Rank = Annotated[int, Field(ge=1, lt=2**31)]
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Hex16 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
PlainText = Annotated[str, AfterValidator(plain_text)]
"""What a model or a stranger wrote, without control characters."""
