"""A part is some classes of a pool, under names of their own."""

import pytest

from syntrans.errors import InputError
from syntrans.images.reference import ImageRef, PassedOver
from syntrans_training.data.pool import Part


class Pool:
    """A pool of five pictures a class."""

    keys = ("n1", "n2", "n3")
    passed_over = PassedOver()

    def pictures(self, keys, limit):
        return {key: [ImageRef(key, "", bytes, f"{key}-{i}") for i in range(5)][:limit] for key in keys}


def test_classes_are_the_names_in_order() -> None:
    assert Part(Pool(), {"n1": "wren", "n2": "ant"}).classes == ["ant", "wren"]


def test_pictures_stand_under_the_names_and_those_of_other_classes_do_not() -> None:
    part = Part(Pool(), {"n3": "wren", "n1": "ant"})
    origins = {name: [picture.origin for picture in pictures] for name, pictures in part.pictures(2).items()}
    assert origins == {"wren": ["n3-0", "n3-1"], "ant": ["n1-0", "n1-1"]}
    assert len(part.pictures()["ant"]) == 5


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="'n1' and 'n2' are both called 'crane'; merge or rename them"):
        Part(Pool(), {"n1": "crane", "n2": "crane"})
