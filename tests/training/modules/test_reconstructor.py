"""The semantic weight reconstructor begins as its ridge map, and its network adds to it."""

import torch

from syntrans_training.modules.reconstructor import SeededDropout, SemanticWeightReconstructor
from syntrans_training.modules.solvers.ridge import fit_dual_ridge

S, D, C = 3, 4, 6


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ridge():
    return fit_dual_ridge(rows(C, S), rows(C, D, seed=1), lam=0.5)


def reconstructor(hidden: int = 8) -> SemanticWeightReconstructor:
    torch.manual_seed(0)
    return SemanticWeightReconstructor(S, D, lam=0.5, hidden=hidden).eval()


def test_an_untrained_one_is_the_ridge_map() -> None:
    net, text = reconstructor(), rows(5, S, seed=2)
    assert torch.equal(net(text, ridge(), net.among_features()), ridge()(text))


def test_without_a_network_it_stays_the_ridge_map() -> None:
    net, text = reconstructor(hidden=0), rows(5, S, seed=2)
    assert net.among_features().shape == (0, D)
    assert torch.equal(net(text, ridge(), net.among_features()), ridge()(text))


def test_the_network_adds_what_its_last_layer_says_in_the_space_it_is_given() -> None:
    net, text = reconstructor(), rows(5, S, seed=2)
    layer = torch.cat([torch.zeros(8, D), torch.ones(1, D)])
    assert torch.allclose(net(text, ridge(), layer), ridge()(text) + 1)


def test_lambda_begins_where_it_is_told() -> None:
    assert torch.allclose(reconstructor().log_lam.exp(), torch.tensor(0.5))


def test_dropout_draws_from_its_own_generator() -> None:
    dropout, x = SeededDropout(0.5), torch.ones(64)
    dropout.generator = torch.Generator().manual_seed(3)
    first = dropout(x)
    torch.manual_seed(0)
    dropout.generator.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert set(first.tolist()) == {0.0, 2.0}
    assert torch.equal(dropout.eval()(x), x)


def test_every_dropout_of_it_draws_from_the_generator_that_it_is_given() -> None:
    net, generator = reconstructor(), torch.Generator()
    net.draw_from(generator)
    layers = [layer for layer in net.modules() if isinstance(layer, SeededDropout)]
    assert layers
    assert all(layer.generator is generator for layer in layers)
