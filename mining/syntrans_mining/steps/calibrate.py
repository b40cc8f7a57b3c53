"""Calibrate: what a judge's "yes" is worth, docs/method.md (2): fitted where the truth is known, or on the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from syntrans.calibration import Calibration, Platt, fit_platt
from syntrans.contract.scalars import float32
from syntrans.errors import InputError

if TYPE_CHECKING:
    from syntrans_mining.models import Model
    from syntrans_mining.steps.candidate import Candidate

AGREEMENT = "agreement"
UNDECIDED = 0.05
LEAST = 20  # answers about what the others hold for true, and as many about what they hold for false


def check_calibration(calibration: Calibration, models: Sequence[Model], prompt_sha256: str) -> None:
    """InputError unless the calibration is of these models and this prompt."""
    rule = "fit it again, or set crosscheck.calibration to 'agreement' or null"
    if calibration.prompt_sha256 != prompt_sha256:
        raise InputError(f"the calibration was fitted on another crosscheck prompt; {rule}")
    for model in models:
        fitted = calibration.models.get(model.name)
        if fitted is None:
            raise InputError(f"the calibration does not know {model.name!r}; {rule}")
        if fitted.revision != model.revision:
            raise InputError(
                f"the calibration is of {model.name!r} at revision {fitted.revision}, not {model.revision}; {rule}"
            )


def fit_on_agreement(candidates: Iterable[Candidate]) -> dict[str, Platt]:
    """One `Platt` per judge, fitted on what the other judges hold for true (leave one model out; derived).

    Authors do not count here: they always say yes. Where the others are undecided nothing is learnt. A judge with
    fewer than LEAST answers of a kind is left as it is.
    """
    answers: dict[str, list[tuple[float, bool]]] = {}
    revisions: dict[str, str] = {}
    for candidate in candidates:
        for vote in candidate.votes:
            others = [other.p_yes for other in candidate.votes if other.model != vote.model]
            if others and abs((held := fmean(others)) - 0.5) > UNDECIDED:
                answers.setdefault(vote.model, []).append((vote.p_yes, held > 0.5))
                revisions[vote.model] = vote.revision
    fitted = {}
    for model, pairs in sorted(answers.items()):
        p, true = zip(*pairs, strict=True)
        if min(sum(true), len(true) - sum(true)) >= LEAST:
            platt = fit_platt(p, true, revision=revisions[model])
            if platt is not None:
                fitted[model] = platt
    return fitted


def calibrate(candidates: Iterable[Candidate], platts: Mapping[str, Platt]) -> None:
    """Give every vote of a model in ``platts`` its calibrated probability; the raw one stays beside it."""
    for candidate in candidates:
        for vote in candidate.votes:
            if vote.model in platts:
                vote.p_calibrated = float32(platts[vote.model](vote.p_yes))
