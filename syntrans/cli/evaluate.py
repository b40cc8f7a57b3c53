"""What `syntrans evaluate` and `syntrans compare` do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from syntrans.cli.inputs import Chosen, descriptor_file, fitting_descriptors, images_named
from syntrans.config import dump_config, load_config
from syntrans.console import say
from syntrans.errors import UsageError
from syntrans.extras import require
from syntrans.paths import artifacts_root, run_path
from syntrans.runs.folder import removed_if_refused
from syntrans.runs.past_runs import is_json_object, newest_readable


def evaluate(
    checkpoint: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    images: str | None = None,
    descriptors: Path | None = None,
    published: bool = False,
    dry_run: bool,
    as_json: bool,
) -> str:
    """Evaluate; returns the table or the summary as JSON, or the plan of a dry run."""
    require("evaluate", "train")
    from syntrans_training.config import EvaluateConfig

    settled = load_config(EvaluateConfig, config or "evaluate", kind="training/configs", overrides=settings)
    taken = Chosen(str(checkpoint), "as named") if checkpoint else _newest_training()
    other = None if images is None else images_named(images)

    from syntrans_training.evaluation.evaluate import check_evaluation, novel_pictures, with_tasks_of
    from syntrans_training.evaluation.evaluate import evaluate as run
    from syntrans_training.evaluation.trained_run import read_run

    trained = read_run(Path(taken.what))
    settled = with_tasks_of(trained, settled)
    pictures = Chosen(trained.config.data.path, "the novel classes of the training")
    text = Chosen(str(trained.descriptors or "class names"), "of the training")
    file = None if descriptors is None else descriptor_file(descriptors).absolute()
    if other is not None:
        pictures = other
        if file is None and trained.descriptors:
            text = fitting_descriptors(novel_pictures(trained.config.data, other.what).data) or text
            file = Path(text.what).absolute()
    elif file is not None:
        text = Chosen(str(file), "--descriptors")
    say(f"evaluating {taken}; pictures: {pictures}; descriptors: {text}")
    check_evaluation(trained, settled, descriptors=file, images=other and other.what)
    if dry_run:
        return f"# checkpoint {taken.what}\n{dump_config(settled)}".rstrip()

    from syntrans_training.evaluation.published import against
    from syntrans_training.evaluation.table import render

    target = out or run_path("evaluate")
    with removed_if_refused(target):
        summary = run(Path(taken.what), settled, out=target, descriptors=file, images=other and other.what)
    say(f"written: {target / 'summary.json'}")
    if as_json:
        return json.dumps(summary, indent=2, ensure_ascii=False)
    return f"{render(summary)}\n\n{against(summary)}" if published else render(summary)


def compare(a: str, b: str) -> tuple[dict[str, Any], str]:
    """The paired comparison of two evaluations, as plain values and as text."""
    from syntrans_training.evaluation.compare import compare as pair
    from syntrans_training.evaluation.compare import render

    found = pair(a, b)
    return found, render(found)


def _newest_training() -> Chosen:
    report = newest_readable(["train"], "train.json", is_json_object)
    if report is None:
        rule = "give the folder of a checkpoint, or run `syntrans train` first"
        raise UsageError(f"there is no checkpoint below {artifacts_root() / 'train'}; {rule}")
    return Chosen(str(report.parent), "the newest training")
