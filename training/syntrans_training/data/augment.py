"""Batched augmentation on tensors, on any device: every picture of a batch gets its own crop, flip and colours.

torchvision's batched transforms draw one set of numbers for the whole batch, so the draws are ours: all of a batch at
once, from a CPU generator. The views therefore do not depend on the device, and of a batch that several processes share
each makes its rows alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor


class StoredCrops:
    """So many crops of each of n pictures, to be cut again and again: what a frozen model says of them is kept.

    What view v of picture i shows depends on (seed, v) and i alone; colours are not part of it.
    """

    def __init__(self, n: int, *, views: int, seed: int) -> None:
        if views < 1:
            raise ValueError(f"views must be at least 1, got {views}")
        self.views, self.seed = views, seed
        drawn = []
        for v in range(views):
            number = int(np.random.SeedSequence((seed, v)).generate_state(1)[0])
            drawn.append(torch.rand(5, n, generator=torch.Generator().manual_seed(number)))
        self._numbers = torch.stack(drawn)

    def numbers(self, items: Int[Tensor, " b"], which: Int[Tensor, " b"]) -> Float[Tensor, "5 b"]:
        """The numbers that `crop_views` cuts view `which` [b] of the items [b] by."""
        return self._numbers[which, :, items].T


class Pictures:
    """The labelled pictures of a split and how a task looks at them.

    Args:
        pixels: [n, S, S, 3] uint8. They stay where they are (a memory map is read batch by batch), except that a GPU
            takes all of them in when they fill less than half of its free memory.
        labels: [n] class numbers.
        view: arguments of `random_views`.
        shard: which of how many processes this one is; `batch` makes that part of the batch.
    """

    def __init__(
        self,
        pixels: UInt8[np.ndarray, "n s s 3"],
        labels: Int[np.ndarray, " n"],
        *,
        device: torch.device,
        view: Mapping[str, Any],
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.device, self.view, self.shard = device, view, shard
        self.labels = torch.from_numpy(labels)
        fits = device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2
        self._pixels: UInt8[np.ndarray, "n s s 3"] | Tensor = (
            torch.from_numpy(np.array(pixels)).to(device) if fits else pixels
        )

    def __len__(self) -> int:
        return len(self.labels)

    def batch(
        self, items: Int[Tensor, " B"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "b 3 size size"], Int[Tensor, " b"]]:
        """Random views [b, 3, size, size] in [0, 1] and labels [b] of this process's part of the items [B]."""
        rows = self.rows(len(items))
        mine = items[rows]
        with torch.autocast(self.device.type, enabled=False):
            views = random_views(self._look_up(mine), generator, **self.view, within=(rows, len(items)))
        return views, self.labels[mine].to(self.device)

    def stored(
        self, items: Int[Tensor, " B"], crops: StoredCrops, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A stored crop of each, in random colours, and labels, of this process's part of the items [B].

        Third comes which view was taken of each of the items [B].
        """
        rows = self.rows(len(items))
        mine = items[rows]
        which = torch.randint(crops.views, (len(items),), generator=generator)
        colours = torch.rand(3, len(items), generator=generator)[:, rows]
        geometry = {name: value for name, value in self.view.items() if name != "jitter"}
        with torch.autocast(self.device.type, enabled=False):
            views = crop_views(self._look_up(mine), crops.numbers(mine, which[rows]), **geometry)
            views = recolour(views, colours, jitter=self.view.get("jitter", 0.0))
        return views, self.labels[mine].to(self.device), which

    def rows(self, many: int) -> slice:
        """This process's part of a batch of so many."""
        rank, world = self.shard
        return slice(rank * (many // world), (rank + 1) * (many // world))

    def _look_up(self, items: Tensor) -> Tensor:
        if isinstance(self._pixels, Tensor):
            return self._pixels[items.to(self.device)]
        return torch.from_numpy(np.asarray(self._pixels[items.numpy()])).to(self.device)


def random_views(
    pixels: UInt8[Tensor, "b h w 3"],
    generator: torch.Generator,
    *,
    size: int,
    crop_area: tuple[float, float] = (0.35, 1.0),
    crop_pad: int | None = None,
    flip: float = 0.5,
    jitter: float = 0.4,
    within: tuple[slice, int] | None = None,
) -> Float[Tensor, "b 3 size size"]:
    """A random crop, flip and colour change of every picture; values in [0, 1].

    Args:
        pixels: the pictures.
        generator: a CPU generator, the only source of random numbers.
        size: side of a view.
        crop_area: share of the picture's area that a crop (side ratio 3/4 to 4/3) keeps before it is resized.
        crop_pad: instead, cut `size` x `size` at a random place of the picture padded with black by so many pixels.
        flip: probability of the mirror image.
        jitter: brightness, contrast and saturation vary by 1 +- jitter.
        within: (rows, size) of a larger batch that the pictures are part of; they get the numbers they get there.
    """
    rows, size_of_batch = within or (slice(None), len(pixels))
    numbers = torch.rand(8, size_of_batch, generator=generator)[:, rows]
    x = crop_views(pixels, numbers[:5], size=size, crop_area=crop_area, crop_pad=crop_pad, flip=flip)
    return recolour(x, numbers[5:], jitter=jitter)


def crop_views(
    pixels: UInt8[Tensor, "b h w 3"],
    numbers: Float[Tensor, "5 b"],
    *,
    size: int,
    crop_area: tuple[float, float] = (0.35, 1.0),
    crop_pad: int | None = None,
    flip: float = 0.5,
    shown: int | None = None,
) -> Float[Tensor, "b 3 side side"]:
    """The crop of every picture that its numbers (uniform in [0, 1)) say, as `random_views` cuts it; colours stay.

    With `shown` the very same crop is resampled (bicubic) to that side, from the pixels that the picture has.
    """
    mode = "bilinear" if shown is None else "bicubic"
    if crop_pad is None:
        x = pixels.permute(0, 3, 1, 2).float().div_(255)
        x = _resized_crop(x, numbers.to(pixels.device), shown or size, crop_area, flip, mode)
    else:
        x = _padded_crop(pixels, numbers[2:], size, crop_pad, flip).permute(0, 3, 1, 2).float().div_(255)
        if shown is not None:
            x = F.interpolate(x, size=(shown, shown), mode=mode, antialias=True, align_corners=False)
    return x if shown is None else x.clamp_(0.0, 1.0)  # bicubic overshoots


def recolour(x: Float[Tensor, "b 3 h w"], numbers: Float[Tensor, "3 b"], *, jitter: float) -> Float[Tensor, "b 3 h w"]:
    """Brightness, contrast and saturation changed by 1 +- jitter, as the numbers (uniform in [0, 1)) say."""
    return _colour(x, numbers.to(x.device), jitter) if jitter > 0 else x


def whole_views(pixels: UInt8[Tensor, "b h w 3"], *, size: int) -> Float[Tensor, "b 3 size size"]:
    """The whole picture at `size`, values in [0, 1]: what features are extracted from."""
    x = pixels.permute(0, 3, 1, 2).float().div_(255)
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return x


def _between(numbers: Tensor, low: float, high: float) -> Tensor:
    return numbers * (high - low) + low


def _padded_crop(pixels: Tensor, numbers: Tensor, size: int, pad: int, flip: float) -> Tensor:
    """[b, size, size, 3] of [b, h, w, 3]; one gather cuts and mirrors."""
    places = pixels.shape[1] + 2 * pad - size + 1
    top, left = ((row * places).long().clamp(max=places - 1)[:, None] for row in numbers[:2])
    along = torch.arange(size)
    across = torch.where((numbers[2] < flip)[:, None], size - 1 - along, along)
    y, x = (top + along)[:, :, None].to(pixels.device), (left + across)[:, None, :].to(pixels.device)
    padded = F.pad(pixels, (0, 0, pad, pad, pad, pad))
    cut: Tensor = padded[torch.arange(len(pixels), device=pixels.device)[:, None, None], y, x]
    return cut


def _resized_crop(x: Tensor, numbers: Tensor, size: int, area: tuple[float, float], flip: float, mode: str) -> Tensor:
    area_share = _between(numbers[0], *area)
    ratio = torch.exp(_between(numbers[1], -0.2877, 0.2877))  # log(4/3)
    half_w = (area_share * ratio).sqrt().clamp(max=1.0)
    half_h = (area_share / ratio).sqrt().clamp(max=1.0)
    centre_x = _between(numbers[2], -1.0, 1.0) * (1 - half_w)
    centre_y = _between(numbers[3], -1.0, 1.0) * (1 - half_h)
    mirror = torch.where(numbers[4] < flip, -1.0, 1.0)
    # In grid_sample's coordinates the picture is [-1, 1]^2 and a crop is an affine map of it.
    theta = torch.zeros(len(x), 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 2] = half_w * mirror, centre_x
    theta[:, 1, 1], theta[:, 1, 2] = half_h, centre_y
    grid = F.affine_grid(theta, [len(x), 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode=mode, padding_mode="reflection", align_corners=False)


def _colour(x: Tensor, numbers: Tensor, jitter: float) -> Tensor:
    # Derived: one order of the three for all pictures, clamped once; torchvision shuffles them and clamps after each.
    brightness, contrast, saturation = _between(numbers, max(0.0, 1 - jitter), 1 + jitter)[:, :, None, None, None]
    x = x * brightness
    grey = (x * x.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    middle = grey.mean(dim=(2, 3), keepdim=True)
    # contrast: away from the picture's mean grey; saturation: away from every pixel's own grey.
    x = middle + contrast * (x - middle)
    grey = middle + contrast * (grey - middle)
    changed: Tensor = (grey + saturation * (x - grey)).clamp_(0.0, 1.0)
    return changed
