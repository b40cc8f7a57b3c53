"""The pictures of every class, and how tasks are drawn from them."""

import torch

from syntrans_training.episodes.class_index import ClassIndex


def test_no_padding_is_ever_drawn_from_a_small_class() -> None:
    index = ClassIndex(torch.tensor([0, 1, 1, 1, 1, 0]))
    classes = torch.tensor([[0, 1]]).expand(200, 2)
    drawn = index.draw_images(classes, index.fewest, torch.Generator().manual_seed(0))
    assert index.fewest == 2
    assert {frozenset(row) for row in drawn[:, 0].tolist()} == {frozenset((0, 5))}
    assert {image for row in drawn[:, 1].tolist() for image in row} == {1, 2, 3, 4}
