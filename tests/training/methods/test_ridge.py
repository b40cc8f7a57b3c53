"""Ridge regression on an episode's supports."""

import numpy as np
import torch.nn.functional as F
from drawn_episodes import E, K, N, draw

from syntrans_training.methods import RidgeRegression


def test_ridge_equals_scikit_learn_episode_by_episode() -> None:
    from sklearn.linear_model import Ridge

    support, query, classes = draw(1.0)
    scores = RidgeRegression(lam=0.5).scores(support, query, classes)
    for e in range(E):
        z = F.normalize(support[e], dim=-1).flatten(0, 1).numpy()
        fitted = Ridge(alpha=0.5, fit_intercept=False).fit(z, np.repeat(np.eye(N), K, 0))
        expected = fitted.predict(F.normalize(query[e], dim=-1).numpy())
        assert np.allclose(scores[e].numpy(), expected, atol=1e-5)
