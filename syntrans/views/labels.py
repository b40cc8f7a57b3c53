"""Labels of the rows of an evaluation, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

LABELS = {
    "plain_prototypes": "prototypes (cosine)",
    "euclidean": "prototypes (Euclidean)",
    "simpleshot": "SimpleShot (CL2N)",
    "logistic": "logistic regression",
    "ridge": "ridge regression",
    "cosine": "cosine classifier",
    "gidaris": "attention (Gidaris)",
    "gidaris_other": "Gidaris, other recipe",
    "visual_only": "visual only",
    "zero_shot_name": "CLIP, names",
    "zero_shot_descriptors": "CLIP, mean embedding",
    "dclip": "DCLIP, mean similarity",
    "tip_adapter": "Tip-Adapter",
    "tip_adapter_f": "Tip-Adapter-F",
    "fsktn": "1/K rule (FS-KTN)",
    "am3": "gate (AM3)",
    "am3_other": "AM3, other recipe",
    "semalign": "SemAlign (SemFew)",
    "semalign_other": "SemFew, other recipe",
    "semantic_only": "semantic only",
    "fused": "ridge map, fused",
    "syntrans": "SynTrans",
    "syntrans_inductive": "SynTrans, inductive",
    "syntrans_prior": "SynTrans, prior",
    "syntrans_val": "SynTrans, α of val",
    "syntrans_transductive": "SynTrans, transductive",
    "syntrans_imagined": "SynTrans + imagined",
    "no_text": "no text",
    "name_only": "class names only",
    "classname_free": "classname-free",
    "with_names": "with class names",
    "raw": "unchecked (raw)",
    "random_words": "random words",
    "shuffled": "shuffled classes",
    "half_shuffled": "half-shuffled classes",
    "imagined_shuffled": "imagined, shuffled",
}
GROUPS = {
    "visual": "pictures alone",
    "semantic": "pictures and text",
    "transductive": "also the unlabelled queries",
    "control": "SynTrans, with other text",
}
FLIER_LABELS = {
    "zero_shot": "CLIP, zero-shot",
    "linear_probe": "linear probe",
    "tip_adapter": LABELS["tip_adapter"],
    "tip_adapter_f": LABELS["tip_adapter_f"],
    "prolip": "ProLIP",
    "flier": "FLIER",
    "pixels_only": "imagined pictures as pixels only",
    "no_imagined": "no imagined pictures",
    "latents_shuffled": "latents of other classes",
    "latents_noise": "noise as latents",
    "image_branch": "FLIER, image branch alone at the test",
    "latent_branch": "FLIER, latent branch alone at the test",
}
FLIER_GROUPS = {
    "peers": "the same CLIP and shots",
    "flier": "both branches",
    "controls": "FLIER with something else",
}


def with_labels(choices: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What val chose for each method, with the label of its row as the method's name."""
    return [{**one, "method": LABELS.get(str(one.get("row", one["method"])), one["method"])} for one in choices]
