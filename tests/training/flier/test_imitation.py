"""Phase 0: a latent encoder that imitates CLIP on base pictures, and where FLIER begins then."""

import pytest
import torch
import torch.nn.functional as F

from syntrans_training.flier.imitation import Imitation, imitate_clip
from syntrans_training.flier.latent_encoder import LatentEncoder
from syntrans_training.flier.model import LossWeights, Pictures, Projection
from syntrans_training.flier.training import Phase, Recipe, train_flier

PROJECTION = Projection(torch.eye(6, 4), None)
SHORT = Phase(2, 1e-2, 1e-3, 8, 0.01)


def pictures(n: int) -> Pictures:
    """Latents that say what CLIP sees."""
    before = torch.randn(n, 4, generator=torch.Generator().manual_seed(n))
    latents = before[:, :, None, None].expand(-1, 4, 8, 8)
    return Pictures(before, latents, torch.arange(n) % 3)


@pytest.fixture(scope="module")
def encoder() -> LatentEncoder:
    recipe = Imitation(steps=60, lr=1e-2, batch=32, weight_decay=0.01)
    return imitate_clip(PROJECTION, pictures(300), recipe, width=8, depth=2, noise=0.1, seed=0)


def test_latents_of_new_pictures_are_seen_as_clip_sees_the_pictures(encoder: LatentEncoder) -> None:
    new = pictures(50)
    near = (encoder(new.latents) * PROJECTION(new.before)).sum(-1)
    assert near.mean() > 0.9


def test_flier_begins_with_it_and_no_share_of_the_training_is_it_again(encoder: LatentEncoder) -> None:
    recipe = Recipe(SHORT, SHORT, LossWeights(1.0, 1.0, 0.5, 0.3), 0.8, 8, 0.1, start=encoder)
    text = F.normalize(torch.eye(3, 6), dim=-1)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = train_flier(PROJECTION, text, pictures(9), None, recipe, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    latents = pictures(20).latents
    trained, none, half = (model.towards(PROJECTION, text, share, encoder).latent for share in (1.0, 0.0, 0.5))
    assert trained is not None
    assert none is not None
    assert half is not None
    torch.testing.assert_close(none(latents), encoder(latents))
    assert not torch.allclose(trained(latents), encoder(latents), atol=1e-4)
    torch.testing.assert_close(half.last.bias, (encoder.last.bias + trained.last.bias) / 2)


def test_without_it_the_encoder_is_drawn_and_stays_as_it_was_trained() -> None:
    recipe = Recipe(SHORT, SHORT, LossWeights(1.0, 1.0, 0.5, 0.3), 0.8, 8, 0.1)
    text = F.normalize(torch.eye(3, 6), dim=-1)
    model = train_flier(PROJECTION, text, pictures(9), None, recipe, seed=0)
    latents = pictures(20).latents
    torch.testing.assert_close(
        model.towards(PROJECTION, text, 0.0).latent_logits(latents), 100 * model.latent(latents) @ text.T
    )
