"""The text gate opens where pictures speak for a text and shuts where they speak against it."""

import pytest
import torch

from syntrans_training.modules.text_gate import TextGate

D = 6
PRECISION = torch.full((D,), 4.0)
TEXT = torch.ones(1, 1, D)


def gate(visual: torch.Tensor, *, shots: int = 1, slope: float = 0.1) -> float:
    net = TextGate()
    net.slope.data.fill_(slope)
    return net(visual, TEXT, PRECISION, shots).item()


def test_it_begins_almost_open_where_the_pictures_say_nothing() -> None:
    assert gate(TEXT / 2) == pytest.approx(float(torch.sigmoid(torch.tensor(3.0))))
    assert gate(TEXT / 2) > 0.95


def test_it_grows_with_how_well_the_text_fits() -> None:
    gates = [gate(TEXT * share) for share in (-2.0, 0.0, 0.5, 1.0, 2.0)]
    assert gates == sorted(gates)


def test_more_pictures_speak_louder() -> None:
    against = -2 * TEXT
    assert gate(against, shots=1) > gate(against, shots=5) > gate(against, shots=50)


def test_a_gate_never_shuts_quite() -> None:
    assert gate(-1e6 * TEXT) == pytest.approx(1e-4)


def test_a_class_does_not_depend_on_its_neighbours() -> None:
    visual, net = torch.randn(2, 3, D, generator=torch.Generator().manual_seed(0)), TextGate()
    text = TEXT.expand(2, 3, D)
    assert torch.allclose(net(visual, text, PRECISION, 1)[:, 1:2], net(visual[:, 1:2], text[:, 1:2], PRECISION, 1))
