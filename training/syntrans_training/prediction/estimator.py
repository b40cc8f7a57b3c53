"""`FewShotClassifier`: the core of `syntrans predict` in scikit-learn's form. Needs no scikit-learn itself."""

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.images.decode import upright_rgb
from syntrans.images.image_set import ImageRef, read_file
from syntrans.paths import atomic_path, atomic_write_text, make_dir
from syntrans.provenance import file_sha256
from syntrans_training.prediction.encoders.choose import OpenedEncoder, open_image_encoder
from syntrans_training.prediction.encoders.pipeline import Photo, encode_photos
from syntrans_training.prediction.inputs.arrays import BadValue, feature_rows, labels_of
from syntrans_training.prediction.inputs.knowledge import ClassTexts, read_texts
from syntrans_training.prediction.predictor import Predictions, Predictor, Settings, fit
from syntrans_training.prediction.reasons import Reasons, explain
from syntrans_training.prediction.shapes import Float, Int, Shaped
from syntrans_training.prediction.space import Space

FEATURES = "features"
_MODEL, _SUPPORTS = "model.json", "supports.safetensors"
_VERSION = 1


class FewShotClassifier:
    """Few-shot image classifier that says how sure it is.

    Args:
        encoder: None (the best at hand), `photo`, `onnx:<file>`, `timm:<name>`, `open_clip:<folder>`, `run:<folder>`
            (of a finished training, with its bridge), or `features`: X are rows of features [n, d], from any encoder.
        text: whether class names and descriptors are used, where a text leads to the encoder's features. A run reads
            the descriptors that it was trained with where `fit` is given none.
        coverage: of `predict_set`, in (0, 1).
        inductive: False names the pictures of one call together; True names each as if it were the only one.

    After `fit`: `classes_` [C]; `n_features_in_`, with encoder `features`.
    X are paths, PIL pictures, or uint8 arrays [h, w, 3]. A broken picture raises `InputError`.
    """

    def __init__(
        self, encoder: str | None = None, *, text: bool = True, coverage: float = 0.95, inductive: bool = False
    ) -> None:
        self.encoder, self.text, self.coverage, self.inductive = encoder, text, coverage, inductive

    def fit(
        self, images: Any, labels: Any, descriptors: Mapping[str, Sequence[str]] | None = None
    ) -> "FewShotClassifier":
        """Learn the classes from supports; `descriptors` are texts by class, also of classes without a picture."""
        described = {str(name): tuple(texts) for name, texts in (descriptors or {}).items()}
        y, before = labels_of(labels), dict(vars(self))
        try:
            self._descriptors = described
            self._take_encoder()
            return self._learn(self._read(images, y), y)
        except BaseException:  # what is refused leaves all as it was
            vars(self).clear()
            vars(self).update(before)
            raise

    def partial_fit(self, images: Any, labels: Any, classes: Any = None) -> "FewShotClassifier":  # noqa: ARG002 - scikit-learn's form
        """Corrections: more supports, of known or of new classes. On an unfitted classifier the same as `fit`."""
        if not hasattr(self, "_predictor"):
            return self.fit(images, labels)
        y = labels_of(labels)
        features = np.concatenate([self._features, self._read(images, y, self._width())])
        return self._learn(features, np.concatenate([self.classes_[self._predictor.labels], y]))

    def predict(self, images: Any) -> Shaped[np.ndarray, " n"]:
        """The likeliest class of each picture."""
        answer = self._answer(images)
        return np.asarray(self.classes_[answer.labels])

    def predict_proba(self, images: Any) -> Float[np.ndarray, "n c"]:
        """Calibrated probabilities, in the order of `classes_`."""
        return self._answer(images).probabilities

    def predict_set(self, images: Any) -> list[tuple[Any, ...]]:
        """The prediction set of each picture; empty where no class is likely enough, or it shows none of them."""
        predictions = self._answer(images)
        return [
            () if none else tuple(self.classes_[members].tolist())
            for members, none in zip(predictions.members, predictions.none, strict=True)
        ]

    def explain(self, images: Any) -> list[Reasons]:
        """Why, picture by picture; `nearest` counts supports in the order in which they were given."""
        return explain(self._predictor, self._answer(images))

    def score(self, images: Any, labels: Any) -> float:
        """Accuracy in [0, 1]."""
        return float(np.mean(self.predict(images) == labels_of(labels)))

    def save(self, folder: str | Path) -> Path:
        """Write a folder that `load` reads: supports' features as safetensors, the rest as JSON."""
        from safetensors.numpy import save_file

        predictor = self._fitted()
        target = make_dir(Path(folder))
        with atomic_path(target / _SUPPORTS) as temporary:
            save_file({"features": self._features, "labels": predictor.labels}, str(temporary))
        model = {
            "version": _VERSION,
            "params": self.get_params() | {"encoder": self._taken},
            "classes": self.classes_.tolist(),
            "descriptors": self._descriptors,
            "supports": file_sha256(target / _SUPPORTS),
        }
        atomic_write_text(target / _MODEL, json.dumps(model, ensure_ascii=False, indent=2) + "\n")
        return target

    @classmethod
    def load(cls, folder: str | Path) -> "FewShotClassifier":
        """A classifier as it was saved; `InputError` when the folder holds none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            model = json.loads((Path(folder) / _MODEL).read_text(encoding="utf-8"))
            if model.get("supports", own := file_sha256(Path(folder) / _SUPPORTS)) != own:
                raise ValueError("its supports are those of another one")  # noqa: TRY301 - told as the others
            tensors = load_file(str(Path(folder) / _SUPPORTS))
            loaded = cls(**model["params"])
            features, loaded._descriptors = tensors["features"], model["descriptors"]
            loaded._take_encoder()
            labels = np.array(model["classes"])[tensors["labels"]]
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise InputError(f"{folder} holds no saved FewShotClassifier ({error}); save one there") from error
        return loaded._learn(features, labels)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's form
        """The arguments of the constructor."""
        return {name: getattr(self, name) for name in _parameters()}

    def set_params(self, **params: Any) -> "FewShotClassifier":
        """Change arguments of the constructor; they count from the next `fit`."""
        for name, value in params.items():
            if name not in _parameters():
                raise ValueError(f"FewShotClassifier has no parameter {name!r}; it has {', '.join(_parameters())}")
            setattr(self, name, value)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What pickle keeps: all but the opened encoder, which is opened again when it is needed."""
        return {name: value for name, value in vars(self).items() if name != "_opened"}

    def __repr__(self) -> str:
        return f"FewShotClassifier({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        pictures = self.encoder != FEATURES
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=not pictures, three_d_array=pictures),
        )

    def _learn(self, features: Float[np.ndarray, "n d"], y: Shaped[np.ndarray, " n"]) -> "FewShotClassifier":
        # Letters without a width of their own: a name is never cut to the longest of the labels.
        form = y.dtype.kind if y.dtype.kind in "US" else y.dtype
        described = [np.array([*self._descriptors], form)] if self._descriptors else []
        classes = np.unique(np.concatenate([y, *described]))
        names = tuple(str(c) for c in classes.tolist())
        opened, shown = self._opened_encoder(), np.searchsorted(classes, y)
        space, texts = Space(), None
        if opened is not None:
            texts = self._texts(opened, names, shown) if self.text else None
            space = opened.space if opened.trained is None else opened.trained.space(texts, shown)
        settings = Settings(self.coverage, self.inductive)
        try:
            predictor = fit(features, shown, names, space, texts, settings)
        except InputError as error:
            raise BadValue(str(error)) from error
        self._features, self._predictor, self.classes_ = features, predictor, classes
        if self._taken == FEATURES:
            self.n_features_in_ = self._features.shape[1]
        return self

    def _texts(self, opened: OpenedEncoder, names: tuple[str, ...], labels: Int[np.ndarray, " n"]) -> ClassTexts | None:
        """The classes in words, where a text leads to the features and can be read."""
        if opened.trained is not None:
            file = None if self._descriptors else opened.trained.descriptors(None, names)
            return opened.trained.texts(file, names, labels, self._descriptors)
        if opened.text_reader is None:
            return None
        try:
            return read_texts(names, self._descriptors, opened.text_reader.open())
        except (ModelLoadError, EnvironmentProblem):
            if self._descriptors:
                raise
            return None

    def _fitted(self) -> Predictor:
        if not hasattr(self, "_predictor"):
            raise _not_fitted()
        return self._predictor

    def _answer(self, images: Any) -> Predictions:
        predictor = self._fitted()
        return predictor.predict(self._read(images, width=self._width()))

    def _width(self) -> int | None:
        return getattr(self, "n_features_in_", None)

    def _take_encoder(self) -> None:
        """What `encoder` names now sees all pictures until the next `fit`: the supports' features are its own."""
        if getattr(self, "_taken", FEATURES) != self.encoder:
            vars(self).pop("_opened", None)
        self._taken = self.encoder

    def _opened_encoder(self) -> OpenedEncoder | None:
        if self._taken == FEATURES:
            return None
        if not hasattr(self, "_opened"):
            self._opened = open_image_encoder(self._taken)
        return self._opened

    def _read(
        self, images: Any, labels: Shaped[np.ndarray, " n"] | None = None, width: int | None = None
    ) -> Float[np.ndarray, "n d"]:
        """Features of pictures, or as they were given, then of this `width`; as many as `labels`."""
        opened = self._opened_encoder()
        if opened is not None and isinstance(images, str | Path | Image.Image):
            raise BadValue("give a list of pictures; one alone as [picture]")
        rows = feature_rows(images, width) if opened is None else [_photo(i, image) for i, image in enumerate(images)]
        if labels is not None and len(labels) != len(rows):
            raise BadValue(f"{len(rows)} pictures and {len(labels)} labels; give one label a picture")
        if labels is not None and not len(labels):
            raise BadValue("no support was given; give at least one picture of two classes")
        if opened is None:
            return np.asarray(rows, np.float32)
        encoded = encode_photos(opened.encoder, list(rows), "read pictures")
        if encoded.broken:
            raise BadValue(next(iter(encoded.broken.values())))
        return encoded.features


def _parameters() -> list[str]:
    return [name for name in inspect.signature(FewShotClassifier).parameters]  # noqa: C416 - keys of a mapping proxy


@dataclass(frozen=True)
class _Given:
    """A picture that is in memory already."""

    origin: str
    picture: Image.Image

    def image(self, at_least: int | None = None) -> Image.Image:  # noqa: ARG002 - `Photo`
        return self.picture


def _photo(i: int, image: Any) -> Photo:
    if isinstance(image, str | Path):
        return ImageRef("", "", partial(read_file, Path(image)), str(image))
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3) or image.dtype != np.uint8:
            raise BadValue(f"picture {i} is {image.dtype} of shape {image.shape}; give uint8 [h, w, 3]")
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise BadValue(f"picture {i} is a {type(image).__name__}; give a path, a PIL picture or a uint8 array")
    try:  # here and not in threads: one picture may be given twice
        return _Given(f"picture {i}", upright_rgb(image, f"picture {i}"))
    except InputError as error:
        raise BadValue(str(error)) from error


def _not_fitted() -> Exception:
    message = "this FewShotClassifier is not fitted yet; call fit with supports first"
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return InputError(message)
    error: Exception = NotFittedError(message)
    return error
