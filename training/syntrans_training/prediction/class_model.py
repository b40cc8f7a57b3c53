"""What every way of making classes from supports and texts gives: class_means.py makes them, and trained_bridge.py."""

from typing import Protocol, runtime_checkable

import numpy as np

from syntrans_training.prediction.shapes import Float, Int


@runtime_checkable
class ClassModel(Protocol):
    """C classes that pictures are compared with; `pictures` and `text` [C, r] are what each says of them.

    softmax(scale * scores) are probabilities, with a scale around `class_means.SCALE`.
    """

    @property
    def pictures(self) -> Float[np.ndarray, "c r"]: ...  # noqa: D102

    @property
    def text(self) -> Float[np.ndarray, "c r"]: ...  # noqa: D102

    def place(self, z: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n r"]:
        """Pictures of the space, as `scores` takes them."""
        ...

    def scores(self, placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n c"]:
        """High for a likely class."""
        ...

    def text_scores(self, placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n c"]:
        """What the scores owe to text."""
        ...

    def left_out_scores(
        self, supports: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n c"]:
        """Scores of supports, each with its own class as it is without that support."""
        ...

    def with_queries(self, z: Float[np.ndarray, "n r"], weight: Float[np.ndarray, " n"] | float = 1.0) -> "ClassModel":
        """The classes after the unlabelled pictures were counted for those that they probably show.

        `weight` in [0, 1]: how much each counts, little where it seems to show none of the classes.
        """
        ...
