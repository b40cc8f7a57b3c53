"""A hash of plain values, whatever the order of their keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def semantic_hash(obj: Any) -> str:
    """16 hex digits over the canonical JSON of a model or a plain value; equal content, equal hash."""
    plain = obj.model_dump(mode="json") if isinstance(obj, BaseModel) else obj
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
