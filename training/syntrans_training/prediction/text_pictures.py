"""How many pictures a text is worth in `predict` where no trained bridge judges it (trained_bridge.py does otherwise).

A class mean is estimated from K pictures and a text. If the text is worth k0 pictures, the two are mixed as
K : k0, that is with weights K / (K + k0) and k0 / (K + k0): the posterior mean of a normal model in which a picture
has variance 1 and the text's prediction variance 1 / k0. `TEXT_PICTURES` is the k0 that did best on
Caltech-101's base and val classes, whose pictures and texts the bridge has not seen (docs/predict.md).

A text may be wrong for this task (another language, mixed-up classes), so k0 is shrunk by what the supports say. For
every support, d = cosine with its own class's text - mean cosine with the other classes' texts; were the texts
useless, d would scatter around zero. The positive-part James-Stein factor max(0, 1 - 1/t^2) of its mean, with
t = mean(d) / standard error, is near 1 for texts that fit and 0 for most that do not. It needs one picture a class;
docs/method.md (50).
"""

import numpy as np

from syntrans_training.prediction.shapes import Float, Int
from syntrans_training.prediction.space import unit

TEXT_PICTURES = 0.5
PRIOR_SD, PRIOR_N = 0.1, 4  # spread of d elsewhere, and how many supports that knowledge is worth


def text_pictures(
    supports: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"], texts: Float[np.ndarray, "c r"]
) -> float:
    """How many pictures a text is worth in this task, at most `TEXT_PICTURES`.

    `supports` and `texts` are centred unit vectors of the space. With no supports it is the prior.
    """
    if len(supports) == 0:
        return TEXT_PICTURES
    cosines = unit(supports) @ unit(texts).T
    own = cosines[np.arange(len(labels)), labels]
    others = (cosines.sum(1) - own) / max(cosines.shape[1] - 1, 1)
    d = own - others
    squares = PRIOR_N * PRIOR_SD**2 + float(np.square(d - d.mean()).sum())
    error = np.sqrt(squares / (PRIOR_N + len(d) - 1) / len(d))
    t = float(d.mean() / error)
    return TEXT_PICTURES * max(0.0, 1 - 1 / t**2) if t > 0 else 0.0
