"""TAB in a shell: names of configs, keys, data sets, class lists and classes; never an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from syntrans.cli.app import app

ASSETS = Path(__file__).resolve().parents[1] / "syntrans" / "contract" / "assets"


def complete(line: str) -> list[str]:
    """What the shell offers for the last word of a line."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = CliRunner().invoke(app, [], env={"_SYNTRANS_COMPLETE": "complete_bash", **words}, prog_name="syntrans")
    assert done.exit_code == 0
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("syntrans mine --config ", ["cpu", "gpu24", "gpu80", "server", "world"]),
        ("syntrans train --config world", ["world", "world-full"]),
        ("syntrans train --set vsbird.l", [
            "vsbird.lambdas=", "vsbird.loss_weights.cycle=", "vsbird.loss_weights.reconstruction=",
            "vsbird.loss_weights.semantic=", "vsbird.loss_weights.visual=", "vsbird.lr=",
        ]),
        ("syntrans mine --set llms.0.p", ["llms.0.path="]),
        ("syntrans evaluate --set seen", ["seen_queries="]),
        ("syntrans data check --dataset cub", ["cub", "cub-easyfsl", "cub-feat"]),
        ("syntrans data check --set spl", ["split_file="]),
        ("syntrans mine --classes ti", ["tiered"]),
        ("syntrans install min", ["minilm"]),
        ("syntrans config show distill.loss", [
            "distill.loss_weights", "distill.loss_weights.cross_entropy", "distill.loss_weights.feature",
            "distill.loss_weights.relation", "distill.loss_weights.text",
        ]),
        ("syntrans config show --command evaluate see", ["seen_queries"]),
        ("syntrans config show --command tr", ["train"]),
        (f"syntrans inspect {ASSETS} --class ", ["Crane", "goldfinch"]),
        ("syntrans inspect nowhere --class ", []),
        (f"syntrans edit {ASSETS} --class g", ["goldfinch"]),
        ("syntrans edit RUN --facet co", ["colour", "context"]),
        ("syntrans report RUN --figure a", ["all", "alpha"]),
        ("syntrans train --stage b", ["bridge"]),
        ("syntrans import FILE --format d", ["dclip"]),
        ("syntrans predict --text n", ["names", "none"]),
    ],
)  # fmt: skip
def test_the_names_that_fit_are_offered(line: str, expected: list[str]) -> None:
    assert complete(line) == expected
