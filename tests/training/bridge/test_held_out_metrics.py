"""Metrics without some classes, beside those that are fitted on the other classes alone."""

import torch

from syntrans_training.bridge.held_out_metrics import held_out_metrics
from syntrans_training.bridge.initialisation import MapInit, SpaceSettings, TransformedFeatures, fit_metric
from syntrans_training.modules.whiten import class_means

C, D = 9, 5


def test_each_is_the_metric_of_the_other_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(C).repeat_interleave(torch.arange(3, 3 + C))
    base, text = torch.randn(len(labels), D, generator=generator), torch.randn(C, 4, generator=generator)
    features = TransformedFeatures(base, labels, base, class_means(base, labels))
    space, start = SpaceSettings(1.0, 0.3, 2.0), MapInit(0.3, 0.1, 0.0)
    for one in held_out_metrics(features, text, space, start, size=2):
        kept = ~one.held_out_mask
        rows, place = kept[labels], kept.cumsum(0) - 1
        others = TransformedFeatures(base[rows], place[labels[rows]], base, features.means[kept])
        alone = fit_metric(others, text[kept], space, start)
        assert torch.allclose(one.metric.precision, alone.precision, rtol=1e-4)
        assert torch.allclose(one.metric.transform.abs(), alone.transform.abs(), atol=1e-3)


def test_noise_only_scales_a_metric() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(C).repeat_interleave(4)
    base, text = torch.randn(len(labels), D, generator=generator), torch.randn(C, 4, generator=generator)
    features, start = TransformedFeatures(base, labels, base, class_means(base, labels)), MapInit(0.3, 0.1, 0.0)
    quiet, loud = (fit_metric(features, text, SpaceSettings(1.0, 0.3, noise), start) for noise in (1.0, 4.0))
    assert torch.allclose(quiet.scaled(4.0).precision, loud.precision, rtol=1e-4)
    assert torch.allclose(quiet.scaled(4.0).transform.abs(), loud.transform.abs(), atol=1e-4)
