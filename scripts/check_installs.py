"""Install the built wheel in empty environments outside the checkout, use it there, and say what that takes.

    make wheel && python scripts/check_installs.py --extras base openai predict --pythons 3.11 3.12 3.13
    python scripts/check_installs.py --extras cpu --installers uv --constraints requirements/cpu.txt
    python scripts/check_installs.py --extras openai --how extra tool

As README says it: the wheel, then `syntrans install NAME`. `--how extra` installs wheel[NAME] at once, `--how tool`
begins with `uv tool install`. Results go to benchmarks/results/installs.json (one row for each extra, Python, installer
and way; a new row replaces the old one) and from there into the table of docs/install.md. Resolution is on: what is
installed is what the registry gives today, unless `--constraints` holds it to the versions that `make setup` has
fetched. Configuration of this machine's pip and uv that adds local packages is turned off. `--lowest` takes the lowest
versions that pyproject.toml allows of what it names, as wheels.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from use_installed import use

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "installs.json"
PAGE = ROOT / "docs" / "install.md"
MARK = "<!-- {} of the table that scripts/check_installs.py writes -->"
EXTRAS = ("base", "openai", "predict", "photo", "serve", "train", "cpu", "cuda", "imagine", "minilm", "ray")
WAYS = {"command": "", "extra": ", as `wheel[NAME]`", "tool": " tool"}
_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*==\S+(?: ; [^\\\n]+)?)", re.MULTILINE)


class Wanted(NamedTuple):
    """A row: what is installed, for which Python, with uv or pip, and in which of the `WAYS`."""

    extra: str
    python: str
    installer: str
    way: str


class Environment:
    """An empty virtual environment in ``folder`` with the wheel and its extra. CalledProcessError if that fails."""

    def __init__(self, folder: Path, wanted: Wanted, arguments: argparse.Namespace) -> None:
        extra, python, self._installer, way = wanted
        self.folder, self.root = folder, folder / ("tools/syntrans" if way == "tool" else "venv")
        self.bin, self._uv = self.root / "bin", arguments.uv
        self._settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "UV_FIND_LINKS": "", "UV_NO_CONFIG": "1"}
        self._settings |= {"HF_HUB_OFFLINE": "1"}
        listed = arguments.constraints.read_text() if arguments.constraints else ""
        if arguments.lowest:
            listed = self._lowest(python, extra)
        if listed:
            pinned = folder / "constraints.txt"
            pinned.write_text("".join(f"{line.strip()}\n" for line in _LINE.findall(listed)))
            self._settings |= {"UV_CONSTRAINT": str(pinned), "PIP_CONSTRAINT": str(pinned)}
        if way != "tool":
            self._make_empty(python)
        begin = time.perf_counter()
        self.run([*self._install(python, way), f"{arguments.wheel}{f'[{extra}]' if way == 'extra' else ''}"])
        if extra != "base" and way != "extra":
            self.syntrans("install", extra)
        self.seconds = time.perf_counter() - begin

    def _make_empty(self, python: str) -> None:
        venv = [self._uv, "venv", "-q", "--python", python, str(self.root)]
        if self._installer == "pip":
            interpreter = (
                python if os.sep in python else self.run([self._uv, "python", "find", "--system", python]).strip()
            )
            venv = [interpreter, "-m", "venv", str(self.root)]
        self.run(venv)

    def _lowest(self, python: str, extra: str) -> str:
        """The lowest versions that pyproject.toml allows: uv knows no such thing for what a wheel needs."""
        extras = [] if extra == "base" else ["--extra", extra]
        compiled = [
            self._uv,
            "pip",
            "compile",
            "-q",
            "--resolution",
            "lowest-direct",
            "--only-binary",
            ":all:",
            *extras,
        ]
        return self.run([*compiled, "--python-version", version_of(python), str(ROOT / "pyproject.toml")])

    def _install(self, python: str, way: str) -> list[str]:
        if way == "tool":
            return [self._uv, "tool", "install", "-q", "--python", python]
        if self._installer == "pip":
            return [str(self.bin / "python"), "-m", "pip", "install", "-q"]
        return [self._uv, "pip", "install", "-q", "--python", str(self.bin / "python")]

    def run(self, command: Sequence[str]) -> str:
        """Stdout of a command that sees neither the checkout nor another environment."""
        values = self.variables()
        done = subprocess.run(command, cwd=self.folder, env=values, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
            raise subprocess.CalledProcessError(done.returncode, list(command))
        return done.stdout

    def variables(self) -> dict[str, str]:
        """What its programs find in the environment."""
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV", "UV"}}
        places = kept["PATH"].split(os.pathsep)
        if self._installer == "pip":  # `syntrans install` takes uv where it finds it
            places = [place for place in places if not (Path(place) / "uv").exists()]
        tools = {"UV_TOOL_DIR": str(self.folder / "tools"), "UV_TOOL_BIN_DIR": str(self.folder / "programs")}
        engine = {"UV": self._uv, **tools} if self._installer == "uv" else {}
        return {**kept, **self._settings, **engine, "PATH": os.pathsep.join([str(self.bin), *places])}

    def syntrans(self, *arguments: str) -> str:
        """Stdout of the installed program."""
        return self.run([str(self.bin / "syntrans"), *arguments])

    def has(self, package: str) -> bool:
        """Whether a package lies on the environment's disk."""
        return any(self.root.glob(f"lib/python*/site-packages/{package}"))

    def megabytes(self) -> int:
        """Of everything in it, hard links once."""
        files = {(s.st_dev, s.st_ino): s.st_size for p in self.root.glob("**/*") if (s := p.lstat())}
        return round(sum(files.values()) / 1e6)


def version_of(python: str) -> str:
    """Major and minor version of ``3.12``, or of the interpreter at a path."""
    if os.sep not in python:
        return python
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def check(wanted: Wanted, arguments: argparse.Namespace) -> dict[str, object]:
    """One row."""
    folder = Path(tempfile.mkdtemp(prefix="installed-"))
    try:
        environment = Environment(folder, wanted, arguments)
        size = environment.megabytes()
        begin = time.perf_counter()
        works = use(environment, wanted.extra)
        return {
            "extra": wanted.extra,
            "python": version_of(wanted.python),
            "installer": wanted.installer,
            "how": wanted.way,
            "seconds": round(environment.seconds, 1),
            "megabytes": size,
            "works": works,
            "use_seconds": round(time.perf_counter() - begin, 1),
            "constraints": arguments.constraints.name if arguments.constraints else None,
            "resolution": "lowest-direct" if arguments.lowest else None,
            "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def record(rows: Sequence[Mapping[str, object]]) -> None:
    """Put rows into the file of results, and its table into the page."""
    known = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []

    def key(row: Mapping[str, object]) -> tuple[object, ...]:
        place = (EXTRAS.index(str(row["extra"])), row["python"], row["installer"], [*WAYS].index(str(row["how"])))
        return (*place, row.get("resolution") or "")

    merged = {key(row): row for row in [*known, *rows]}
    ordered = [merged[place] for place in sorted(merged)]
    RESULTS.write_text(json.dumps({"command": "python scripts/check_installs.py", "rows": ordered}, indent=1) + "\n")
    lines = ["| extra | Python | with | seconds | MB | what was done there |", "|---|---|---|---:|---:|---|"]
    for row in ordered:
        held = ", lowest versions" if row["resolution"] else ", versions of `make setup`" if row["constraints"] else ""
        used = f"{row['installer']}{WAYS[str(row['how'])]}{held}"
        lines.append(
            f"| {row['extra']} | {row['python']} | {used} | {row['seconds']} | {row['megabytes']:,} | {row['works']} |"
        )
    begin, end = MARK.format("begin"), MARK.format("end")
    page = PAGE.read_text()
    before, after = page.partition(begin)[0], page.partition(end)[2]
    PAGE.write_text("\n".join([before + begin, *lines, end]) + after)


def main() -> None:
    """Check the rows that were asked for; ends with 1 if one does not work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="+", default=["base", "openai", "predict"], choices=EXTRAS)
    parser.add_argument(
        "--pythons",
        nargs="+",
        help="versions, or paths of interpreters",
        default=[f"{sys.version_info.major}.{sys.version_info.minor}"],
    )
    parser.add_argument("--installers", nargs="+", default=["uv"], choices=["uv", "pip"])
    parser.add_argument("--how", nargs="+", default=["command"], choices=WAYS)
    parser.add_argument("--constraints", type=Path, help="a requirements file whose versions are taken")
    parser.add_argument("--lowest", action="store_true", help="the lowest versions that are allowed, not the newest")
    parser.add_argument("--wheel", type=Path, default=next((ROOT / "dist").glob("syntrans-*.whl"), None))
    parser.add_argument("--uv", default=os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools/bin/uv"))
    parser.add_argument("--record", action="store_true", help="write the results and the table of docs/install.md")
    arguments = parser.parse_args()
    if "tool" in arguments.how and "pip" in arguments.installers:
        parser.error("--how tool is uv alone")
    if arguments.wheel is None:
        parser.error("there is no wheel in dist/; run `make wheel`")
    arguments.wheel, failed = arguments.wheel.resolve(), False
    if os.sep in arguments.uv:  # it is called from other folders
        arguments.uv = str(Path(arguments.uv).resolve())
    for wanted in itertools.starmap(
        Wanted, itertools.product(arguments.extras, arguments.pythons, arguments.installers, arguments.how)
    ):
        try:
            row = check(wanted, arguments)
        except (subprocess.CalledProcessError, AssertionError) as error:
            print(f"FAILED {' '.join(wanted)}: {error}", flush=True)
            failed = True
            continue
        print(f"ok {' '.join(wanted)}: {row['seconds']} s, {row['megabytes']} MB", flush=True)
        if arguments.record:
            record([row])
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
