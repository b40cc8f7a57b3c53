"""The pictures of every class, and how tasks are drawn from them."""

import numpy as np
import torch

from syntrans_training.episodes.class_index import ClassIndex, member_table


def test_the_table_has_the_pictures_of_every_class_in_rising_order_padded_with_minus_one() -> None:
    assert member_table(np.array([1, 0, 1, 3, 1])).tolist() == [[1, -1, -1], [0, 2, 4], [-1, -1, -1], [3, -1, -1]]
    assert member_table(np.array([], dtype=np.int64)).shape == (0, 0)


def test_no_padding_is_ever_drawn_from_a_small_class() -> None:
    index = ClassIndex(torch.tensor([0, 1, 1, 1, 1, 0]))
    classes = torch.tensor([[0, 1]]).expand(200, 2)
    drawn = index.draw_images(classes, index.fewest, torch.Generator().manual_seed(0))
    assert index.fewest == 2
    assert {frozenset(row) for row in drawn[:, 0].tolist()} == {frozenset((0, 5))}
    assert {image for row in drawn[:, 1].tolist() for image in row} == {1, 2, 3, 4}
