"""Batched augmentation on tensors: one affine resampling and one colour change per batch, on any device."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

# Means and deviations of natural pictures (ImageNet); fixed, so that a checkpoint does not depend on its data set.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def random_views(
    pixels: UInt8[Tensor, "b h w 3"],
    generator: torch.Generator,
    *,
    size: int,
    crop_area: tuple[float, float] = (0.35, 1.0),
    flip: float = 0.5,
    jitter: float = 0.4,
) -> Float[Tensor, "b 3 size size"]:
    """A random crop (side ratio 3/4 to 4/3), flip and colour change of every picture, normalised.

    Random numbers come from `generator` (a CPU generator), so the views do not depend on the device.
    """
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    x = _crop_and_flip(x, generator, size, crop_area, flip)
    if jitter > 0:
        x = _colour(x, generator, jitter)
    return _normalise(x)


def whole_views(pixels: UInt8[Tensor, "b h w 3"], *, size: int) -> Float[Tensor, "b 3 size size"]:
    """The whole picture at `size`, normalised: what features are extracted from."""
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return _normalise(x)


def _normalise(x: Tensor) -> Tensor:
    mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def _uniform(generator: torch.Generator, n: int, low: float, high: float, like: Tensor) -> Tensor:
    return (torch.rand(n, generator=generator) * (high - low) + low).to(like.device)


def _crop_and_flip(x: Tensor, generator: torch.Generator, size: int, area: tuple[float, float], flip: float) -> Tensor:
    b = len(x)
    area_share = _uniform(generator, b, *area, x)
    ratio = torch.exp(_uniform(generator, b, -0.2877, 0.2877, x))  # log(4/3)
    half_w = (area_share * ratio).sqrt().clamp(max=1.0)
    half_h = (area_share / ratio).sqrt().clamp(max=1.0)
    centre_x = _uniform(generator, b, -1.0, 1.0, x) * (1 - half_w)
    centre_y = _uniform(generator, b, -1.0, 1.0, x) * (1 - half_h)
    mirror = torch.where(_uniform(generator, b, 0.0, 1.0, x) < flip, -1.0, 1.0)
    # In grid_sample's coordinates the picture is [-1, 1]^2 and a crop is an affine map of it.
    theta = torch.zeros(b, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 2] = half_w * mirror, centre_x
    theta[:, 1, 1], theta[:, 1, 2] = half_h, centre_y
    grid = F.affine_grid(theta, [b, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _colour(x: Tensor, generator: torch.Generator, jitter: float) -> Tensor:
    brightness, contrast, saturation = (
        _uniform(generator, len(x), max(0.0, 1 - jitter), 1 + jitter, x).view(-1, 1, 1, 1) for _ in range(3)
    )
    x = x * brightness
    grey = (x * x.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    middle = grey.mean(dim=(2, 3), keepdim=True)
    # contrast: away from the picture's mean grey; saturation: away from every pixel's own grey.
    x = middle + contrast * (x - middle)
    grey = middle + contrast * (grey - middle)
    return (grey + saturation * (x - grey)).clamp_(0.0, 1.0)
