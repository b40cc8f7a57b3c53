"""Training metrics as JSON lines (metrics.jsonl), and the same numbers for TensorBoard."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from syntrans.files.input_files import parse_json
from syntrans.paths import atomic_write_text, disk_problem


def read_rows(metrics: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file, one an epoch; a line that a full disk cut short, or damaged, is left out."""
    rows = []
    text = metrics.read_text(encoding="utf-8", errors="replace") if metrics.exists() else ""
    for line in text.splitlines():
        with suppress(ValueError):
            row = parse_json(line)
            if isinstance(row, dict) and isinstance(row.get("epoch"), int):
                rows.append(row)
    return rows


class Log:
    """Rows of the epochs after `epoch`; what an earlier run left beyond it is dropped, with -1 all of it.

    metrics.jsonl goes to `metrics`, the curves to tensorboard/<name of metrics>/ beside it.
    """

    def __init__(self, metrics: Path, epoch: int) -> None:
        self.metrics, self.curves = metrics, metrics.parent / "tensorboard" / metrics.stem
        kept = [json.dumps(row) + "\n" for row in read_rows(metrics) if row["epoch"] <= epoch]
        atomic_write_text(metrics, "".join(kept))
        if epoch < 0:
            shutil.rmtree(self.curves, ignore_errors=True)

    def add(self, row: Mapping[str, float]) -> None:
        """Write the row of one epoch."""
        from torch.utils.tensorboard import SummaryWriter

        epoch = int(row["epoch"])
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            # A writer an epoch: its thread and open file need no care when a run is stopped.
            with SummaryWriter(str(self.curves), purge_step=epoch) as writer:
                for name, value in row.items():
                    if name != "epoch":
                        writer.add_scalar(name, value, epoch)
        except OSError as error:
            raise disk_problem(self.metrics, error) from error
