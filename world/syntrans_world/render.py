"""Pictures of the world: 64x64 RGB, drawn from a value per slot by one signed distance to a polygon."""

import numpy as np
from numpy.typing import NDArray

from syntrans_world.spec import REDRAW, SLOTS, VALUES

SIZE = 64

_FILL = {
    "red": (205, 45, 40),
    "orange": (240, 135, 30),
    "yellow": (240, 220, 50),
    "green": (60, 170, 60),
    "cyan": (60, 205, 215),
    "blue": (50, 80, 215),
    "purple": (135, 60, 190),
    "pink": (245, 130, 185),
}
_BACKGROUND = {
    "sand": (205, 180, 130),
    "slate": (120, 128, 138),
    "moss": (85, 110, 55),
    "night": (28, 28, 58),
}
_RADIUS = {"small": 13.0, "large": 23.0}


def _regular(n: int, turn: float = 0.0, inner: float | None = None) -> NDArray[np.float64]:
    """Corners of a regular polygon on the unit circle; with `inner`, of a star with that inner radius."""
    count = n if inner is None else 2 * n
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2 + turn
    radii = np.ones(count)
    if inner is not None:
        radii[1::2] = inner
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _outlines() -> dict[str, NDArray[np.float64]]:
    """Unit-size polygon of every shape, [n_corners, 2], y downwards."""
    t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    heart = np.stack(
        [np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16],
        axis=1,
    )
    arc = np.linspace(0.25 * np.pi, 1.75 * np.pi, 15)
    outer = np.stack([np.cos(arc), np.sin(arc)], axis=1)
    inner = np.stack([0.42 + 0.76 * np.cos(arc[::-1]), 0.76 * np.sin(arc[::-1])], axis=1)
    a = 0.34
    cross = np.array(
        [
            [-a, -1],
            [a, -1],
            [a, -a],
            [1, -a],
            [1, a],
            [a, a],
            [a, 1],
            [-a, 1],
            [-a, a],
            [-1, a],
            [-1, -a],
            [-a, -a],
        ]
    )
    return {
        "circle": _regular(24) * 0.95,
        "square": np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.82,
        "triangle": _regular(3) * 1.15 + np.array([0, 0.2]),
        "diamond": _regular(4) * np.array([0.95, 1.15]),
        "star": _regular(5, inner=0.45) * 1.2,
        "cross": cross,
        "heart": heart,
        "crescent": np.concatenate([outer, inner]) * 1.05,
    }


_CORNERS = _outlines()
_AXIS = np.arange(SIZE, dtype=np.float32) + np.float32(0.5)
_GRID = np.stack(np.meshgrid(_AXIS, _AXIS), axis=-1)


def signed_distance(corners: NDArray[np.float64]) -> NDArray[np.float32]:
    """Signed distance in pixels of every pixel centre to a polygon, negative inside; [SIZE, SIZE]."""
    start = corners.astype(np.float32)
    edge = np.roll(start, -1, axis=0) - start
    # [n_corners, 1, SIZE] and [n_corners, SIZE, 1]: rows and columns stay apart until they must meet
    x, y = _AXIS[None, None, :] - start[:, :1, None], _AXIS[None, :, None] - start[:, 1:, None]
    edge_x, edge_y = edge[:, :1, None], edge[:, 1:, None]
    along = np.clip((x * edge_x + y * edge_y) / (edge_x**2 + edge_y**2), 0, 1)
    nearest = np.sqrt(((x - along * edge_x) ** 2 + (y - along * edge_y) ** 2).min(0))
    spans = (y >= 0) != (y >= edge_y)
    crossing = spans & ((x * edge_y < y * edge_x) == (edge_y > 0))
    inside = np.logical_xor.reduce(crossing, axis=0)
    return np.where(inside, -nearest, nearest)


def _texture(pattern: str, radius: float, centre: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Share of the darker second tone at every pixel, [SIZE, SIZE] in [0, 1]."""
    local = _GRID - centre
    turned_x = local[..., 0] * np.cos(angle) + local[..., 1] * np.sin(angle)
    turned_y = local[..., 1] * np.cos(angle) - local[..., 0] * np.sin(angle)
    step = 5.0 + radius * 0.1

    def wave(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(0.5 + 2.5 * np.sin(2 * np.pi * x / step), 0, 1)

    if pattern == "striped":
        return wave(turned_x + turned_y)
    if pattern == "checked":
        across, down = wave(turned_x / 1.4), wave(turned_y / 1.4)
        return across * (1 - down) + down * (1 - across)
    if pattern == "dotted":
        cell = np.stack([turned_x, turned_y], -1) / (step * 1.15)
        nearest = np.hypot(*(np.moveaxis(cell - np.round(cell), -1, 0)))
        return np.clip((0.34 - nearest) * 10, 0, 1)
    if pattern == "ringed":
        return wave(np.hypot(turned_x, turned_y))
    return np.zeros((SIZE, SIZE))


def render(attributes: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture, uint8 [64, 64, 3], from a value index per slot (order of `SLOTS`).

    Position, size, tilt, brightness and pixel noise vary with `rng`; the six attributes are shown exactly.
    """
    value = {slot: VALUES[slot][index] for slot, index in zip(SLOTS, attributes, strict=True)}
    radius = _RADIUS[value["size"]] * rng.uniform(0.93, 1.07)
    slack = (SIZE / 2 - radius) * 0.35
    centre = SIZE / 2 + rng.uniform(-slack, slack, 2)
    angle = rng.uniform(-0.17, 0.17)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    distance = signed_distance(_CORNERS[value["shape"]] @ turn * radius + centre)

    fill = np.array(_FILL[value["fill"]], float)
    body = fill * (1 - 0.62 * _texture(value["pattern"], radius, centre, angle)[..., None])
    picture = np.broadcast_to(np.array(_BACKGROUND[value["background"]], float), (SIZE, SIZE, 3)).copy()
    picture += rng.normal(0, 1, (SIZE // 8, SIZE // 8, 1)).repeat(8, 0).repeat(8, 1) * 4
    picture = _over(picture, body, np.clip(0.5 - distance, 0, 1))
    for low, high, tone in _EDGES[value["outline"]]:
        picture = _over(picture, np.full(3, tone), np.clip(np.minimum(distance - low, high - distance) + 0.5, 0, 1))
    picture = picture * rng.uniform(0.88, 1.1) + 5 * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


# outline -> bands (from, to, grey tone) in pixels of distance to the body's edge
_EDGES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "none": (),
    "dark": ((-1.5, 1.5, 8.0),),
    "pale": ((-1.5, 1.5, 250.0),),
    "double": ((-1.5, 0.5, 8.0), (0.5, 2.8, 250.0)),
}


def _over(under: NDArray[np.float64], colour: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    return under * (1 - share[..., None]) + colour * share[..., None]


def typical(attributes: tuple[int, ...], rng: np.random.Generator, redraw: float = REDRAW) -> tuple[int, ...]:
    """The attributes that one picture of a class shows: each slot is drawn anew with probability `redraw`."""
    return tuple(
        int(rng.integers(len(VALUES[slot]))) if rng.random() < redraw else index
        for slot, index in zip(SLOTS, attributes, strict=True)
    )
