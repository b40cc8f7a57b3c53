"""Every `except` that catches more than it names stands here, with its reason; a new one needs one too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REASONS = {
    ("syntrans/images/cifar.py", "_unpickle"): "a crafted pickle can make its reader stumble over anything",
    ("syntrans/images/decode.py", "decode"): "decoders of damaged pictures raise whatever they stumble over",
    ("syntrans/images/decode.py", "upright_rgb"): "as decode, of a picture that is opened already",
    ("syntrans/images/decode.py", "_upright"): "so do readers of damaged EXIF, which only says how to turn a picture",
    ("syntrans/hub_models.py", "_fetched"): "the library's errors of the network have many bases",
    ("syntrans/images/hub.py", "open_tables"): "the library's errors have many bases",
    (
        "mining/syntrans_mining/engines/workers/driver.py",
        "_run",
    ): "a thread that ends without a word is waited for for ever",
    ("mining/syntrans_mining/requests/response_cache.py", "_open"): "closes what it opened and raises it again",
    ("training/syntrans_training/imagination/journal.py", "_open"): "closes what it opened and raises it again",
    (
        "training/syntrans_training/prediction/encoders/journal.py",
        "encode_resumably",
    ): "keeps what was read, raises it again",
    ("training/syntrans_training/prediction/encoders/onnx.py", "_open_session"): "the runtime's errors have no base",
    ("training/syntrans_training/prediction/encoders/onnx.py", "forward"): "the runtime's errors have no base",
    ("training/syntrans_training/prediction/estimator.py", "fit"): "puts all back as it was, raises it again",
    ("mining/syntrans_mining/doctor.py", "_chat"): "a chat template is a program of the model's authors",
}
CATCH_ALL = {"Exception", "BaseException", None}


def broad(root: Path) -> Iterator[tuple[str, str]]:
    """File and function of every handler of everything, in the packages."""
    for package in ("syntrans", "mining/syntrans_mining", "training/syntrans_training", "world/syntrans_world"):
        for path in sorted((root / package).rglob("*.py")):
            for function in broad_in(ast.parse(path.read_text(encoding="utf-8")), "<module>"):
                yield path.relative_to(root).as_posix(), function


def broad_in(node: ast.AST, function: str) -> Iterator[str]:
    """The function of every such handler, wherever it stands; ``function`` is the one that ``node`` is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ExceptHandler) and caught(child) & CATCH_ALL:
            yield function
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from broad_in(child, inner)


def caught(handler: ast.ExceptHandler) -> set[str | None]:
    if handler.type is None:
        return {None}
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(kind) for kind in types}


def test_nothing_catches_everything_without_a_reason(repository: Path) -> None:
    assert set(broad(repository)) == set(REASONS)


def test_a_handler_is_found_wherever_it_stands() -> None:
    tree = ast.parse(
        "try: a\nexcept: b\n"
        "async def f():\n  try: a\n  except (ValueError, Exception): b\n"
        "class C:\n  def g(self):\n    try: a\n    except* BaseException: b\n    except* ValueError: c\n"
    )
    assert list(broad_in(tree, "<module>")) == ["<module>", "f", "g"]
