import numpy as np
import pytest

from syntrans_training.text.class_vectors import EmbeddedTexts


def test_the_product_with_a_mean_is_the_mean_of_the_cosines_with_a_class_s_descriptors() -> None:
    """DCLIP's score, which the renormalised mean does not give: a class whose texts disagree scores lower."""
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(2, 3, 5)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=-1, keepdims=True)
    names = texts[:, 0] * 1
    weights = np.array([[1, 2, 3], [0, 0, 0]], np.float32)  # the second class has no descriptor
    picture = texts[0, 1]
    cosines = EmbeddedTexts(names, texts, weights).means() @ picture
    assert cosines[0] == pytest.approx((texts[0] @ picture).mean(), abs=1e-6)
    assert cosines[1] == pytest.approx(names[1] @ picture, abs=1e-6)
