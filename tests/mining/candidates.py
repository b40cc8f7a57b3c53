"""Candidates made by hand, for the tests of the steps."""

from __future__ import annotations

from syntrans_mining.steps.candidate import Author, Candidate


def candidate(text: str, *models: str, class_id: str = "heron") -> Candidate:
    """A statement about ``class_id`` that ``models`` made; ann alone, if none are named."""
    authors = [
        Author(model=model, revision="1", prompt="p", sample=0, seed=0, raw=text) for model in models or ("ann",)
    ]
    return Candidate(class_id, class_id, text, "other", authors)
