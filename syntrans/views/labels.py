"""What the rows of an evaluation are called, for people."""

from __future__ import annotations

LABELS = {
    "plain_prototypes": "prototypes (cosine)",
    "euclidean": "prototypes (Euclidean)",
    "simpleshot": "SimpleShot (CL2N)",
    "logistic": "logistic regression",
    "ridge": "ridge regression",
    "cosine": "cosine classifier",
    "gidaris": "attention (Gidaris)",
    "visual_only": "visual only",
    "zero_shot_name": "CLIP, names",
    "zero_shot_descriptors": "CLIP, descriptors",
    "tip_adapter": "Tip-Adapter",
    "tip_adapter_f": "Tip-Adapter-F",
    "fsktn": "1/K rule (FS-KTN)",
    "am3": "gate (AM3)",
    "semalign": "SemAlign (SemFew)",
    "semantic_only": "semantic only",
    "fused": "ridge map, fused",
    "syntrans": "SynTrans",
    "no_text": "no text",
    "name_only": "class names only",
    "classname_free": "classname-free",
    "raw": "unchecked (raw)",
    "random_words": "random words",
    "shuffled": "shuffled classes",
}
GROUPS = {"visual": "pictures alone", "semantic": "pictures and text", "control": "SynTrans, with other text"}
