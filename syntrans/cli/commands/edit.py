"""`syntrans edit`: a person's corrections of a descriptor file, given one by one or in a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syntrans.cli import completion
from syntrans.cli.options import Out

if TYPE_CHECKING:
    from syntrans.descriptors.edits import Edit

Texts = list[str] | None


def edit(
    run: Annotated[Path, typer.Argument(help="Folder of a run of mine or import.", metavar="RUN")],
    edits: Annotated[
        Path | None, typer.Option(help="Corrections, saved from the page of `syntrans report`.", metavar="FILE")
    ] = None,
    class_: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="The class of the texts below: id or name.",
            metavar="NAME",
            autocompletion=completion.classes,
        ),
    ] = None,
    veto: Annotated[Texts, typer.Option(help="Take this descriptor out (repeatable).", metavar="TEXT")] = None,
    restore: Annotated[Texts, typer.Option(help="Keep this one after all (repeatable).", metavar="TEXT")] = None,
    add: Annotated[Texts, typer.Option(help="A new descriptor (repeatable).", metavar="TEXT")] = None,
    facet: Annotated[
        str, typer.Option(help="What the new ones are about.", metavar="NAME", autocompletion=completion.facets)
    ] = "other",
    why: Annotated[str, typer.Option(help="A reason, for the ledger.", metavar="TEXT")] = "",
    out: Out = None,
) -> None:
    """Correct the descriptors of a run by hand.

    \b
    syntrans edit artifacts/mine/20260101-120000-ab12 --edits edits.json
    syntrans edit RUN --class goldfinch --veto "a red breast" --add "a yellow body" --facet colour

    Writes a new run beside RUN, which stays as it is: `syntrans inspect RUN --diff NEW` shows the change. The ledger
    says what was before; a new descriptor has the author `human`. `evaluate --descriptors` and `predict --descriptors`
    take the new file at once, and `mine --refilter` keeps the corrections. Prints the path of descriptors.parquet.
    """
    typer.echo(_edited(run, _asked(edits, class_, {"veto": veto, "restore": restore, "add": add}, facet, why), out))


def _asked(file: Path | None, class_: str | None, texts: dict[str, Texts], facet: str, why: str) -> list[Edit]:
    """The corrections of the options, those of the file first."""
    from syntrans.config import from_values
    from syntrans.descriptors.edits import Edit, read_edits
    from syntrans.errors import UsageError

    given = [(action, text) for action, of_action in texts.items() for text in of_action or ()]
    if given and class_ is None:
        raise UsageError(f"--{given[0][0]} needs the class of its text: --class NAME")
    if not given and file is None:
        raise UsageError(
            "nothing to correct: give --edits FILE (save one from the page of `syntrans report RUN`), or --class NAME "
            "with --veto, --restore or --add"
        )
    edits = read_edits(file) if file else []
    return edits + [
        from_values(Edit, {"action": action, "class": class_, "text": text, "facet": facet, "why": why}, source="edit")
        for action, text in given
    ]


def _edited(run: Path, edits: list[Edit], out: Path | None) -> Path:
    from syntrans.console import say
    from syntrans.descriptors.summary import descriptor_file
    from syntrans.errors import UsageError
    from syntrans.paths import run_path

    file = descriptor_file(run)
    if out is not None and (out / file.name).exists():
        raise UsageError(f"{out} has a {file.name} already; give another --out")
    if (file.parent / "config.yaml").is_file():
        from syntrans_mining.run.edit import edit as edit_run

        done = edit_run(file.parent, edits, out or run_path("mine")).descriptors
    else:
        done = _edited_import(file, edits, out or run_path("import"))
    say(f"look at the change: syntrans inspect {file.parent} --diff {done.parent}")
    return done


def _edited_import(file: Path, edits: list[Edit], out: Path) -> Path:
    """A file alone, as imports are: without a configuration, a journal or class vectors."""
    from syntrans.contract.reading import read_descriptors
    from syntrans.contract.writing import write_descriptors
    from syntrans.descriptors.edits import EDITS, apply_edits, records_of

    rows, meta = read_descriptors(file)
    past, now = records_of(meta.notes), datetime.now().astimezone().isoformat(timespec="seconds")
    edited, records = apply_edits(rows, edits, past, at=now, where=file)
    notes = {**meta.notes, "edit_of": meta.run_id, EDITS: [*past, *records]}
    meta = meta.model_copy(update={"run_id": out.resolve().name, "notes": notes})
    return write_descriptors(out / file.name, edited, meta)
