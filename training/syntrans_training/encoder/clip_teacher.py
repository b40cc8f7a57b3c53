"""A CLIP as teacher: the two towers of one open_clip folder, frozen, and how well they tell classes without support."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from syntrans.errors import ModelLoadError
from syntrans.paths import resolve_model
from syntrans_training import backbones
from syntrans_training.backbones.towers import revision
from syntrans_training.data import Split
from syntrans_training.text.class_vectors import Knowledge, embed_texts
from syntrans_training.text.encoders import TextEncoder, open_text_encoder


@dataclass(frozen=True)
class Teacher:
    """Both towers; `scale` is what CLIP multiplies cosines by, `revision` hashes the folder."""

    name: str
    revision: str
    encoder: backbones.Encoder
    text: TextEncoder
    scale: float

    @property
    def size(self) -> int:
        """Side of the pictures it looks at."""
        if self.encoder.size is None:
            raise ModelLoadError(f"{self.name}: its configuration does not say how large its pictures are")
        return self.encoder.size

    def class_vectors(
        self, knowledge: Knowledge, classes: tuple[str, ...], *, name_template: str, descriptor_template: str
    ) -> dict[str, Float[Tensor, "c e"]]:
        """Unit vectors of the classes by their names and, where there is a descriptor file, by what was kept."""
        return {
            variant: torch.from_numpy(
                embed_texts(
                    knowledge,
                    classes,
                    self.text,
                    variant,
                    descriptor_template=descriptor_template,
                    name_template=name_template,
                ).vectors(name_share=0.0)
            )
            for variant in ("name", "kept")
            if variant in knowledge.variants
        }


def open_teacher(ref: str) -> Teacher:
    """The teacher in an open_clip folder or behind a `package:` reference; `ModelLoadError` when it is none."""
    name = f"open_clip:{ref}"
    folder = resolve_model(ref)
    if not (folder / "open_clip_config.json").is_file():
        raise ModelLoadError(f"distill.teacher {ref}: no open_clip_config.json in the folder; a teacher is a CLIP")
    encoder = backbones.build(name)
    encoder.requires_grad_(requires_grad=False).eval()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), framework="pt") as file:
            if "logit_scale" in file.keys():  # noqa: SIM118 - not a mapping
                scale = float(file.get_tensor("logit_scale").float().exp())
                return Teacher(folder.name, revision(name) or "", encoder, open_text_encoder(ref), scale)
    raise ModelLoadError(f"distill.teacher {ref}: its weights hold no logit_scale; a teacher is a CLIP")


def zero_shot(
    features: Float[Tensor, "n e"], split: Split, vectors: Mapping[str, Float[Tensor, "c e"]]
) -> dict[str, float]:
    """Share of the pictures whose nearest class vector, of all classes of the split, is their own; by kind of text."""
    labels, unit = torch.from_numpy(split.labels), F.normalize(features.float(), dim=1)
    return {
        kind: round((unit @ of_class.T).argmax(1).eq(labels).float().mean().item(), 4)
        for kind, of_class in vectors.items()
    }
