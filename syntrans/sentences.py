"""The sentences that a text encoder reads about a class, made of a template."""

PLACES = ("text", "name", "which")
"""What a descriptor template may hold: the descriptor, the class name, the descriptor as `which` makes it a clause."""


def fill(template: str, *, text: str, name: str) -> str:
    """The template with a descriptor and the class name, e.g. '{name}, {which}' as in DCLIP."""
    return template.format(text=text, name=name, which=which(text))


def which(text: str) -> str:
    """'which has a long beak', 'which is a bird': a descriptor as a clause, by the rule of DCLIP's own code.

    Menon and Vondrick, "Visual Classification via Description from Large Language Models", ICLR 2023, arXiv 2210.07183,
    `make_descriptor_sentence`; word for word, also where it is rough ('which is antlers').
    """
    if text.startswith("a"):
        return f"which is {text}"
    if text.startswith(("has", "often", "typically", "may", "can")):
        return f"which {text}"
    return f"which is {text}" if text.startswith("used") else f"which has {text}"
