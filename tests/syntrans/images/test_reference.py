"""What is said of pictures that cannot be used."""

from __future__ import annotations

import pytest

from syntrans.errors import InputError
from syntrans.images.reference import check_broken


def test_twenty_broken_pictures_are_named_and_of_more_how_many_there_are() -> None:
    names = [f"{number}.png" for number in range(23)]
    with pytest.raises(InputError, match=r"23 of 99 images of val are broken.*: 0\.png; .*; 19\.png; and 3 more$"):
        check_broken(names, 99, share=0.05, what="val", key="data.max_broken_share")
