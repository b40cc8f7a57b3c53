"""The section `text`: the text encoder and the sentences it reads."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from syntrans.config import StrictModel
from syntrans.sentences import PLACES


class TextConfig(StrictModel):
    """Text encoder and the sentences it reads. `{text}` is a descriptor, `{name}` the class name.

    `{which}` is the descriptor as DCLIP's clause, 'which has ...': `--set text.descriptor_template='{name}, {which}'`.
    """

    old_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"weighting": {"ledger": "mining"}}

    encoder: str = Field(
        "auto",
        description=(
            "A folder or package: reference; auto: the world's CLIP for the world, else the text tower of the "
            "pictures' CLIP, else the sentence encoder of the extra `minilm`."
        ),
    )
    descriptor_template: str = Field(
        "{text}", description="Sentence about a descriptor; knows {text}, {name} and {which}."
    )
    name_template: str = Field("a photo of a {name}", description="Sentence about a class name; knows {name}.")
    weighting: Literal["mining", "agreement", "grounding", "margin", "uniform"] = Field(
        "mining",
        description=(
            "What a kept descriptor counts in its class's vector: the weight that mining left, one of its scores, or 1."
        ),
    )

    @property
    def reading(self) -> dict[str, str]:
        """What class texts are made with, beside the encoder: both templates and the weighting."""
        return self.model_dump(exclude={"encoder"})

    @field_validator("descriptor_template", "name_template")
    @classmethod
    def _can_be_filled_in(cls, template: str, info: ValidationInfo) -> str:
        fields = dict.fromkeys(("name",) if info.field_name == "name_template" else PLACES, "")
        try:
            template.format(**fields)
        except (LookupError, ValueError, AttributeError) as error:
            places = ", ".join(f"{{{name}}}" for name in fields)
            raise ValueError(f"a template knows {places} and no other braces") from error
        return template
