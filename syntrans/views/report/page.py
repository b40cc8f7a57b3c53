"""From parts to one HTML file: script, style and data inside it, and a policy that lets it ask for nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from syntrans import __version__
from syntrans.errors import InputError

_HERE = Path(__file__).parent / "page"
_SCRIPTS = (
    "base", "table", "chart", "corrections", "explorer", "mining", "evaluation", "training", "imagined",
    "prediction", "main",
)  # fmt: skip


def render_page(parts: Sequence[Mapping[str, Any]], *, title: str | None = None, live: bool = False) -> str:
    """The page of ``parts``, as the modules beside this one make them. ``live``: it asks its own server for news."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined)
    data = {"live": live, "parts": parts}
    # Script, style and data stand inside elements in which nothing is escaped: they must not hold what ends those.
    return environment.get_template("page.html.jinja").render(
        title=title or (str(parts[0]["title"]) if len(parts) == 1 else f"{len(parts)} runs"),
        made=f"Made by SynTrans {__version__}. This file holds all it shows, and asks for nothing.",
        policy=policy(live=live),
        style=Markup(style()),  # noqa: S704 - ours
        script=Markup(script()),  # noqa: S704 - ours
        data=Markup(embedded(data)),  # noqa: S704 - escaped for its element
    )


def embedded(data: Any) -> str:
    """JSON that may stand in a script element: without ``<``, so that nothing in it can end the element.

    InputError for a number that is none, which JSON does not know.
    """
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise InputError("a number of these runs is none (NaN or infinite); run again what made it") from error
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def policy(*, live: bool) -> str:
    """The content security policy: nothing is loaded, and no script or style but ours is run."""
    hashes = {"script-src": script(), "style-src": style()}
    rules = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    rules += [f"{rule} 'sha256-{_digest(text)}'" for rule, text in hashes.items()]
    return "; ".join([*rules, *(["connect-src 'self'"] if live else [])])


@cache
def script() -> str:
    """All scripts as one; each file is strict by itself."""
    return "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)


@cache
def style() -> str:
    """The style sheet."""
    return (_HERE / "page.css").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
