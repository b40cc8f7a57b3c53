"""Pictures of the world: a distance that is one, and pictures that a seed decides and an attribute changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans_world.render import SIZE, render, signed_distance, typical
from syntrans_world.spec import CLASSES, SLOTS, VALUES

ATTRIBUTES = st.tuples(*(st.integers(0, len(VALUES[slot]) - 1) for slot in SLOTS))


def distance_to_segment(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    along = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return float(np.linalg.norm(point - start - along * (end - start)))


@settings(max_examples=50)
@given(st.integers(3, 7), st.integers(0, 2**32 - 1), st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
def test_the_distance_to_a_polygon_is_that_of_its_nearest_edge(count: int, seed: int, x: int, y: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count)) + np.linspace(0, 1e-3, count)
    corners = SIZE / 2 + rng.uniform(5, 25, (count, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
    expected = min(
        distance_to_segment(np.array([x, y]) + 0.5, a, b) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)
    )
    assert abs(signed_distance(corners)[y, x]) == pytest.approx(expected, abs=1e-3)


def test_the_distance_to_a_polygon_is_negative_inside() -> None:
    distances = signed_distance(np.array([[10, 10], [50, 10], [50, 40], [10, 40]], float))
    assert distances[20, 30] == pytest.approx(-10.5)
    assert distances[20, 5] == pytest.approx(4.5)


@settings(max_examples=20)
@given(ATTRIBUTES, st.integers(0, 99))
def test_a_picture_is_decided_by_its_attributes_and_its_seed(attributes: tuple[int, ...], seed: int) -> None:
    one, other = (render(attributes, np.random.default_rng(seed)) for _ in range(2))
    assert one.shape == (SIZE, SIZE, 3)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("slot", range(len(SLOTS)), ids=SLOTS)
def test_another_value_of_any_slot_is_another_picture(slot: int) -> None:
    """By more than the noise, which is the same in both: position, tilt and brightness are drawn alike."""
    attributes = CLASSES[0].attributes
    changed = (*attributes[:slot], (attributes[slot] + 1) % len(VALUES[SLOTS[slot]]), *attributes[slot + 1 :])
    one, other = (render(each, np.random.default_rng(3)).astype(int) for each in (attributes, changed))
    assert (abs(one - other) > 20).any(-1).mean() > 0.005


@given(ATTRIBUTES, st.integers(0, 99))
def test_without_redrawing_a_picture_shows_what_its_class_has(attributes: tuple[int, ...], seed: int) -> None:
    assert typical(attributes, np.random.default_rng(seed), redraw=0.0) == attributes
    shown = typical(attributes, np.random.default_rng(seed), redraw=1.0)
    assert all(0 <= value < len(VALUES[slot]) for slot, value in zip(SLOTS, shown, strict=True))
