"""Where things are: outputs, shipped files, models; and the one way in which files are written."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.packages.extras import EXTRAS, broken_import, not_here

_PACKAGE_DIR = Path(__file__).resolve().parent
_SHIPPED_KINDS = ("prompts", "mining/configs", "training/configs")
_TEMPORARY = re.compile(r"\..+\.(\d+)-[0-9a-f]{4}\.tmp")  # as `atomic_path` names them
_NAME_BYTES = 200  # of the final name in a temporary one; names end at 255
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
# Configs of runs from before the world was a package of its own name its models by the first.
_MOVED_PACKAGES = {"package:syntrans_training/world/": "package:syntrans_world/"}
_DISK_ERRORS = {
    errno.ENOSPC: ("the disk is full", "free some room"),
    errno.EDQUOT: ("the disk quota is used up", "free some room"),
    errno.EFBIG: ("the file would exceed the limit for one file", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the disk is read-only", "write somewhere else"),
    errno.EACCES: ("writing there is not permitted", "write somewhere else"),
    errno.EPERM: ("writing there is not permitted", "write somewhere else"),
    errno.ENOTDIR: ("part of that path is a file, not a folder", "name another folder"),
    errno.EEXIST: ("there is already something of another kind", "name another path"),
    errno.EISDIR: ("there is a folder of that name", "name another file"),
    errno.ENOENT: ("no folder can be made there", "name another one"),
    errno.ENAMETOOLONG: ("the name is too long", "give a shorter one"),
}


def artifacts_root() -> Path:
    """The folder of all outputs: ``$SYNTRANS_ARTIFACTS``, else ``./artifacts``."""
    return Path(os.environ.get("SYNTRANS_ARTIFACTS") or "artifacts")


def new_run_id() -> str:
    """A sortable run id, ``YYYYmmdd-HHMMSS-xxxx``."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def new_run_dir(kind: str, run_id: str | None = None) -> Path:
    """Make and return ``artifacts/<kind>/<run_id>/``; an existing folder of that id is taken up again."""
    return make_dir(run_path(kind, run_id))


def run_path(kind: str, run_id: str | None = None) -> Path:
    """``artifacts/<kind>/<run_id>/``, not made: for a command that may still refuse what it is given."""
    return artifacts_root() / kind / (run_id or new_run_id())


def make_dir(path: Path) -> Path:
    """Make ``path`` and its parents, or raise EnvironmentProblem."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_problem(path, error) from error
    return path


def require_writable(path: Path, *, folder: bool = False) -> None:
    """EnvironmentProblem where the file `path`, or anything in the folder `path`, could not be written.

    For a command that works long before it writes. Nothing is made, neither the folders above.
    """
    above = next((p for p in (*([path] if folder else []), *path.parents) if os.path.lexists(p)), Path())
    if not os.path.isdir(above):  # noqa: PTH112 - Path's own raises of names that are too long
        raise disk_problem(path, OSError(errno.EEXIST if above == path else errno.ENOTDIR, "no folder"))
    try:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            os.lstat(path)
        with tempfile.TemporaryFile(dir=above) as file:
            file.write(b"room for a byte")
    except OSError as error:
        raise disk_problem(path, error) from error


def newest(kind: str, filename: str) -> Path | None:
    """The most recently finished ``artifacts/<kind>/*/<filename>``, or None."""
    return next(iter(files_of_runs([kind], filename)), None)


def files_of_runs(kinds: Sequence[str], filename: str) -> list[Path]:
    """Every plain ``artifacts/<kind>/*/<filename>``, the youngest first; what may not be looked at is left out."""
    dated = []
    for kind in kinds:
        for path in (artifacts_root() / kind).glob(f"*/{filename}"):
            with contextlib.suppress(OSError):
                if path.is_file():
                    dated.append((path.stat().st_mtime_ns, path.parent.name, path))
    return [path for _, _, path in sorted(dated, reverse=True)]


def shipped_dir(kind: str) -> Path:
    """The folder of the files of ``kind`` that come with the package (wheel or checkout)."""
    if kind not in _SHIPPED_KINDS:
        raise ValueError(f"{kind!r} is not one of {', '.join(_SHIPPED_KINDS)}")
    in_wheel = _PACKAGE_DIR / "_shipped" / kind
    return in_wheel if in_wheel.is_dir() else _PACKAGE_DIR.parent / kind


def shipped(kind: str, name: str) -> Path:
    """The shipped file ``name`` (``.yaml`` may be left off); InputError names the alternatives of its kind."""
    folder = shipped_dir(kind)
    for candidate in (name, f"{name}.yaml"):
        path = folder / candidate
        if path.parent == folder and path.is_file():
            return path
    names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
    raise InputError(f"{name!r} is not among the shipped {kind}; give a path, or one of: {names}")


def is_hub_id(ref: str) -> bool:
    """Whether ``ref`` is written like ``org/name[@revision]``; a folder of that name has precedence."""
    return bool(_HUB_ID.fullmatch(ref)) and not ref.startswith(".")


def hub_is_offline() -> bool:
    """Whether the user forbids fetching from the Hub; read as huggingface_hub reads it."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    return bool(constants.HF_HUB_OFFLINE)


def resolve_model(ref: str, *, download: bool = True) -> Path:
    """The local folder of a model.

    ``ref`` is a folder, ``package:<import_name>[/sub/folder]`` (an installed package, found without importing
    it), or a Hub id ``org/name[@revision]``, looked up in the local cache and then, unless ``HF_HUB_OFFLINE``
    is set or ``download`` is false, fetched (one set of safetensors and their JSON only, never a pickle).
    ModelLoadError if nothing is there, or a pipe, socket or device lies in the folder, which loading might open;
    EnvironmentProblem if `syntrans install` would bring the package.
    """
    for old, new in _MOVED_PACKAGES.items():
        if ref.startswith(old):
            ref = new + ref.removeprefix(old)
    if ref.startswith("package:"):
        return _model_in_package(ref)
    path = Path(ref).expanduser()
    if path.is_dir():
        _require_plain_files(path)
        return path
    if is_hub_id(ref):
        return _model_of_hub(ref, download=download)
    what = "is a file, but a model is a folder" if path.is_file() else "is not there"
    raise ModelLoadError(
        f"model {ref!r} {what}; give a folder with safetensors and config.json, a Hub id 'org/name', or "
        f"'package:<name>/<folder>'; --config world (of imagine: imagine-world) needs no other model"
    )


def _require_plain_files(folder: Path) -> None:
    for path in (*folder.glob("*"), *folder.glob("*/*")):  # a diffusion model has a folder for each of its parts
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ModelLoadError(f"{path} is no file (a pipe, socket or device); remove it")


def _model_in_package(ref: str) -> Path:
    name, _, below = ref.removeprefix("package:").partition("/")
    # Only the top-level name is looked up: find_spec of a dotted name would import its parents.
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        if name in EXTRAS["minilm"].packages:
            raise not_here(f"model {ref!r}", [name], "minilm", otherwise="name a folder")
        raise ModelLoadError(f"model {ref!r}: package {name!r} is not installed; install it, or name a folder")
    path = Path(next(iter(spec.submodule_search_locations))) / below
    if not path.is_dir():
        raise ModelLoadError(f"model {ref!r}: {name!r} has no folder {below!r}; reinstall it, or name a folder")
    return path


def _model_of_hub(ref: str, *, download: bool) -> Path:
    try:
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise broken_import(error, f"model {ref!r}", "train", otherwise="name a folder") from error
    from syntrans.hub_models import snapshot

    repo, _, revision = ref.partition("@")
    offline = hub_is_offline() or not download
    try:
        return snapshot(repo, revision or None, offline=offline)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        failure = error
    why = (
        "and HF_HUB_OFFLINE forbids fetching it"
        if offline
        else f"and fetching it failed ({type(failure.__cause__ or failure).__name__})"
    )
    raise ModelLoadError(
        f"model {ref!r} is not in the local cache {why}; run `hf download {repo}` where there is a network "
        f"and copy the cache, or name a folder; --config world (of imagine: imagine-world) needs no other model"
    ) from failure


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; when the block ends well it is synced and takes the final name.

    On any failure, Ctrl-C included, the temporary file is removed and ``path`` is as it was.
    A full, read-only or forbidden disk raises EnvironmentProblem.
    """
    final = Path(path)
    make_dir(final.parent)
    short = os.fsencode(final.name)[:_NAME_BYTES].decode("utf-8", "ignore")  # a name may be as long as disks take them
    temporary = final.with_name(f".{short}.{os.getpid()}-{secrets.token_hex(2)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, final)  # noqa: PTH105 - the one call of its kind, and the seam of the tests
    except OSError as error:
        raise disk_problem(final, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_rests(folder: Path) -> None:
    """Remove what a killed process left half written in ``folder``; only for its one writer, who holds its lock."""
    for rest in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            rest.unlink()


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes of this machine left half written in ``folder``, which others may be writing to."""
    for rest in folder.glob(".*.tmp"):
        named = _TEMPORARY.fullmatch(rest.name)
        if named and not _is_alive(int(named[1])):
            with contextlib.suppress(OSError):
                rest.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's; no number of a process
        return True
    return True


def disk_problem(path: Path, error: OSError) -> Exception:
    """EnvironmentProblem for what a user can cure; any other OSError is a bug and comes back unchanged."""
    advice = _DISK_ERRORS.get(error.errno or 0)
    if advice is None:
        return error
    return EnvironmentProblem(f"cannot write {path}: {advice[0]}; {advice[1]} (--out, or SYNTRANS_ARTIFACTS)")


def atomic_write_bytes(path: str | Path, data: bytes) -> Path:
    """Write ``data`` to ``path`` completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def atomic_write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` (UTF-8, line ends as given) to ``path`` completely or not at all."""
    return atomic_write_bytes(path, text.encode("utf-8"))
