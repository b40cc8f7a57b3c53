"""The visual weight generator recalls base classes by what pictures show and by how they read as text."""

import torch

from syntrans_training.modules.generator import VisualWeightGenerator

D, N, C = 4, 3, 6


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def generator(*, recall: float = 1.0) -> VisualWeightGenerator:
    torch.manual_seed(0)
    net = VisualWeightGenerator(D, width=5)
    net.recall_scale.data.fill_(recall)
    return net


def weights(net: VisualWeightGenerator, **changed: torch.Tensor) -> torch.Tensor:
    given = {
        "visual": rows(2, N, D),
        "reread": rows(2, N, D, seed=1),
        "base": rows(C, D, seed=2),
        "base_reread": rows(C, D, seed=3),
        "read": net.among_features(),
    }
    return net(**(given | changed))


def test_an_untrained_generator_gives_the_mean_of_the_supports() -> None:
    torch.manual_seed(0)
    assert torch.equal(weights(VisualWeightGenerator(D)), rows(2, N, D))


def test_shares_of_the_base_classes_make_one() -> None:
    attention = generator().attention(rows(2, N, 5), rows(C, 5, seed=1))
    assert torch.allclose(attention.sum(-1), torch.ones(2, N))


def test_a_class_that_plays_a_novel_one_is_not_recalled() -> None:
    held_out, net = torch.tensor([True, False, False, True, False, False]), generator()
    attention = net.attention(rows(2, N, 5), rows(C, 5, seed=1), held_out)
    assert not attention[..., held_out].any()
    other = rows(C, D, seed=2).clone()
    other[held_out] = 100.0
    kept = weights(net, held_out_mask=held_out)
    assert torch.allclose(weights(net, base=other, held_out_mask=held_out), kept, atol=1e-5)


def test_what_the_pictures_read_like_counts_too() -> None:
    net = generator()
    assert not torch.allclose(weights(net), weights(net, reread=rows(2, N, D, seed=9)))


def test_a_sharp_generator_recalls_the_most_similar_class_alone() -> None:
    net = generator()
    net.sharpness.data.fill_(1e4)
    keys = rows(C, 5, seed=1)
    attention = net.attention(keys[[4]].unsqueeze(0), keys)
    assert attention.argmax(-1).item() == 4
    assert attention.max().item() > 0.99


def test_what_it_reads_has_a_row_for_each_direction_of_each_part() -> None:
    net = generator()
    assert torch.equal(net.among_features(), torch.cat([net.read.weight[:, :D], net.read.weight[:, D:]]))
