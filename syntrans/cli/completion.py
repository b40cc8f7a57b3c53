"""Shell completion, what TAB offers: names of configs, keys, data sets, class lists and classes.

Set up by `syntrans --install-completion`.

Files need nothing here: where no name fits, the shell offers them itself. Completion never raises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer  # noqa: TC002 - typer reads the annotations of a completion at run time

from syntrans.errors import SyntransError

# command -> the commands whose configs and keys it takes, where that is not the command itself
_CONFIGS_OF = {
    "doctor": ("mine",),
    "report": ("evaluate",),
    "show": ("mine", "train", "evaluate", "imagine", "flier", "predict", "serve"),
}


def configs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Shipped configs of the command."""
    from syntrans.cli.config_keys import CONFIGS
    from syntrans.paths import shipped_dir

    kinds = dict.fromkeys(kind for name in _commands(ctx) if (kind := CONFIGS[name][1]))
    return _fitting((path.stem for kind in kinds for path in shipped_dir(kind).glob("*.yaml")), incomplete)


def settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Keys of the command's config, as --set takes them."""
    from syntrans.config.keys import ITEM

    if ctx.command_path.endswith("data check"):
        return _fitting((f"{key.removeprefix('data.')}=" for key in _keys(["train"], "data.")), incomplete)
    return _fitting((f"{key.replace(f'.{ITEM}.', '.0.')}=" for key in _keys(_commands(ctx))), incomplete)


def keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """Keys and sections of all configs, or of the command that was named."""
    named = ctx.params.get("command")
    return _fitting(_keys([named] if named else _commands(ctx), sections=True), incomplete)


def commands(incomplete: str) -> list[str]:
    """Commands that have a config."""
    from syntrans.cli.config_keys import CONFIGS

    return _fitting(CONFIGS, incomplete)


def datasets(incomplete: str) -> list[str]:
    """Published data sets."""
    from syntrans_training.config import DataConfig

    names = DataConfig.model_json_schema()["properties"]["dataset"]["enum"]
    return _fitting((name for name in names if name != "auto"), incomplete)


def class_lists(incomplete: str) -> list[str]:
    """Built-in class lists."""
    from syntrans.classes.entries import BUILTIN

    return _fitting(BUILTIN, incomplete)


def classes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Classes of the descriptor file that stands before."""
    from syntrans.descriptors.summary import descriptor_file
    from syntrans.files.sealed_parquet import read_sealed

    given = ctx.params.get("file") or ctx.params.get("run")
    named = given or next(iter(ctx.args), "")  # not parsed yet where its option has no value
    with contextlib.suppress(SyntransError, OSError, KeyError):
        file = descriptor_file(Path(named))
        return _fitting(read_sealed(file, ["class_name"])["class_name"].to_pylist(), incomplete)
    return []


def one_of(*names: str) -> Callable[[str], list[str]]:
    """A completion that offers ``names``."""

    def fitting(incomplete: str) -> list[str]:
        return _fitting(names, incomplete)

    return fitting


def facets(incomplete: str) -> list[str]:
    """What a descriptor may be about."""
    from syntrans.contract.rows import FACETS

    return _fitting(FACETS, incomplete)


def installs(incomplete: str) -> list[str]:
    """What `syntrans install` knows."""
    from syntrans.packages.extras import EXTRAS

    return _fitting(EXTRAS, incomplete)


def _commands(ctx: typer.Context) -> tuple[str, ...]:
    from syntrans.cli.config_keys import CONFIGS

    name = ctx.info_name or ""
    return _CONFIGS_OF.get(name, (name,) if name in CONFIGS else ())


def _keys(commands: Iterable[str], prefix: str = "", *, sections: bool = False) -> Iterator[str]:
    from syntrans.cli.config_keys import CONFIGS, model_of
    from syntrans.config.keys import keys_of

    for command in commands:
        if command in CONFIGS:
            of_command = keys_of(model_of(command))
            yield from (
                key.name for key in of_command if key.name.startswith(prefix) and (sections or not key.is_section)
            )


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
