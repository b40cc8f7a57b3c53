"""The second round's loss asks how much texture there is, not where it lies."""

import torch

from syntrans_world.build.diffusion.patterns import textures


def stripes(moved: float) -> torch.Tensor:
    x = torch.arange(64)
    return torch.sin((x[:, None] + x + moved) * 2 * torch.pi / 8).expand(1, 3, 64, 64)


def test_moved_stripes_have_the_same_texture_and_a_plain_surface_another() -> None:
    here, there, plain = (textures(pictures) for pictures in (stripes(0), stripes(4), torch.zeros(1, 3, 64, 64)))
    assert (here - there).abs().mean() < 0.02 * (here - plain).abs().mean()


def test_stripes_have_another_texture_than_their_mirror_image() -> None:
    one, mirrored = textures(stripes(0)), textures(stripes(0).flip(-1))
    assert (one - mirrored).abs().mean() > 0.2 * one.abs().mean()
