"""Bad inputs over all commands: each must end with an exit code of ours and one line, and at once."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from syntrans.cli.app import run

CODES = {2, 3, 4, 5}
DEEP = 10_000


class Ending(NamedTuple):
    """How a command line ended, all that it and its processes said on stderr, and the errors that a check found."""

    command: str
    code: int | str
    said: str
    seconds: float
    findings: int = 0

    @property
    def ok(self) -> bool:
        """Whether with a code of `CODES`, one error in one line, the last, and no traceback anywhere before it.

        The error of a check (`syntrans data check`) is a line of its table of findings.
        """
        lines = self.said.splitlines()  # those that say what a command took or passed over may stand before it
        errors = [line for line in lines if line.startswith("syntrans: error: ")]
        said_once = lines[-1:] == errors if errors else self.findings == 1
        return self.code in CODES and said_once and "Traceback" not in self.said

    def shown(self) -> dict[str, int | str | float]:
        """As a row of the results, of what was said the end."""
        return {**self._asdict(), "said": self.said[-500:]}


def bad_files(folder: Path) -> dict[str, Path]:
    """Files that are wrong in every way a file can be."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet = (folder.parent / "descriptors.parquet").read_bytes()
    middle = len(parquet) // 2
    contents: dict[str, bytes] = {
        "empty": b"",
        "zeros": bytes(4096),
        "not_utf8": b"\xff\xfe\xfa caf\xe9 \x80",
        "half_json": b'{"a": ["b"',
        "deep_json": b"[" * DEEP + b"]" * DEEP,
        "deep_object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "surrogate": b'{"a\\ud800": ["\\ud800 red"]}',
        "wrong_json": b'{"llms": 3, "data": [], "hash": 1, "name": {}}',
        "big_number": b'{"a": 1' + b"0" * 5000 + b"}",
        "yaml_alias": b"a0: &a0 [1]\n" + b"".join(_nine_times(i) for i in range(1, 9)),
        "yaml_deep": b"[" * 900 + b"]" * 900,
        "yaml_keys": b"".join(b"k%d: 1\n" % i for i in range(20_000)),
        "yaml_self": b"a: &a {x: *a}\n",
        "yaml_inf": b"ridge: {lambdas: [.inf]}\ncrosscheck: {threshold: .nan}\n",
        "yaml_python": b"!!python/object/apply:os.system ['true']\n",
        "not_parquet": b"PAR1 but not really PAR1",
        "half_parquet": parquet[:middle],
        "flipped_parquet": parquet[:middle] + bytes([parquet[middle] ^ 8]) + parquet[middle + 1 :],
        "long_line": b'{"class": "a", "text": "' + b"x" * (2 << 20) + b'"}\n',
    }
    files = {}
    for name, data in contents.items():
        files[name] = folder / name
        files[name].write_bytes(data)
    with contextlib.suppress(FileExistsError):
        os.mkfifo(folder / "fifo")
        (folder / "directory").mkdir()
    others = {name: folder / name for name in ("fifo", "directory", "absent")}
    return {**files, **others, "device": Path("/dev/zero")}


def _nine_times(i: int) -> bytes:
    return b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9))


def command_lines(files: dict[str, Path], root: Path) -> Iterator[list[str]]:
    """Every command that reads a file, with every bad file in its place; and settings that are wrong in themselves."""
    known = _known(root / "known")
    for path in files.values():
        yield ["inspect", str(path)]
        yield ["pack", str(path), "--out", str(root / "packed")]
        yield ["train", str(path), "--dry-run"]
        yield ["evaluate", str(path)]
        yield ["compare", str(path), str(path)]
        yield ["data", "check", str(path)]
        yield ["serve", "--support", str(path), "--port", "0"]
        yield ["predict", "--support", str(path), "--query", str(known)]
        yield ["predict", "--support", str(known), "--query", str(known), "--encoder", f"onnx:{path}"]
        yield ["predict", "--support", str(known), "--query", str(known), "--descriptors", str(path)]
        yield ["report", str(path)]
        yield ["edit", str(path), "--class", "heron", "--veto", "it is red"]
        yield ["edit", str(root), "--edits", str(path)]
        yield ["imagine", "--descriptors", str(path), "--config", "imagine-world"]
        yield ["mine", "--refilter", str(path)]
        for form in ("cupl", "dclip", "jsonl"):
            yield ["import", str(path), "--format", form, "--out", str(root / "imported")]
    for name, path in files.items():
        if name not in ("empty", "absent", "directory", "device", "fifo"):
            for form in ("jsonl", "parquet", "csv"):  # as a plain text, most of them are names
                listed = path.with_name(f"{name}.{form}")
                listed.write_bytes(path.read_bytes())
                yield ["classes", "check", str(listed)]
            config = path.with_name(f"{name}.yaml")
            config.write_bytes(path.read_bytes())
            yield ["mine", "--classes", "mini", "--config", str(config)]
            yield ["train", "--config", str(config), "--dry-run"]
            yield ["evaluate", "--config", str(config)]
            yield ["doctor", "--config", str(config)]
            yield ["imagine", "--config", str(config), "--dry-run"]
            yield ["config", "show", "--config", str(config)]
    odd = ("&a {x: *a}", "[" * 900, ".inf", ".nan", "1" + "0" * 5000, "2020-13-45", "!!python/none", "\x00", "{" * 99)
    for value in odd:
        yield ["train", "--dry-run", "--set", f"ridge.lambdas={value}"]
        yield ["mine", "--config", "world", "--set", f"crosscheck.threshold={value}"]
    yield ["train", "--dry-run", "--set", ".".join(["a"] * 5000) + "=1"]


def _known(folder: Path) -> Path:
    """Sound pictures of two classes, so that what else is named is all that is wrong."""
    for name in ("red", "blue"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), name).save(folder / name / "1.png")
    return folder


def try_all(root: Path, every: int = 1) -> list[Ending]:
    """Run every ``every``-th of the bad command lines in this process, and say how each ended."""
    lines = list(command_lines(bad_files(root / "bad"), root))
    return [_ending(line, root) for line in lines[::every]]


def _ending(arguments: list[str], root: Path) -> Ending:
    began = time.monotonic()
    code: int | str
    out = io.StringIO()
    with _all_of_stderr() as said, contextlib.redirect_stdout(out):
        try:
            code = run(arguments)
        except BaseException as error:  # noqa: BLE001 - this is what is looked for
            code = type(error).__name__
            traceback.print_exc()
    shown = " ".join(argument.replace(f"{root}/", "")[:60] for argument in arguments)
    findings = sum(line.startswith("error ") for line in out.getvalue().splitlines())
    return Ending(shown, code, "".join(said), round(time.monotonic() - began, 2), findings)


@contextlib.contextmanager
def _all_of_stderr() -> Iterator[list[str]]:
    """What this process and those that it starts say there, once the block is over."""
    said: list[str] = []
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            with os.fdopen(os.dup(2), "w", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
                yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        said.append(file.read().decode("utf-8", "replace"))
