"""What `--quick` makes of a benchmark: the same command on next to nothing, to see that it runs.

No figure of a real run is replaced. Tests run every benchmark so; that of bare vLLM (mining_throughput) only where
vLLM's tests run, and reliability_ray.py by hand only, for it takes more than a minute.
reliability.py has no such mode: a test takes a share of it.
Training is shrunk to one epoch of small pictures and one setting of every grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syntrans.paths import new_run_dir

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

TRAIN = [
    "data.per_class=10",
    "data.size=16",
    "encoder.backbone=conv4",
    "encoder.train_size=16",
    "encoder.test_size=16",
    "encoder.epochs=1",
    "encoder.batch_size=128",
    "encoder.val_every=1",
    "ridge.episodes=4",
    "ridge.shrinkages=[1.0]",
    "ridge.lambdas=[1.0]",
    "ridge.name_shares=[0.0]",
    "ridge.alpha_step=0.5",
    "vsbird.seeds=1",
    "vsbird.steps=1",
    "vsbird.val_checks=1",
    "vsbird.feature_powers=[1.0]",
    "vsbird.shrinkages=[1.0]",
    "vsbird.spread_factors=[1.0]",
    "vsbird.prior_shrinkages=[1.0]",
    "vsbird.lambdas=[1.0]",
    "vsbird.name_shares=[0.0]",
    "baselines.names=[]",
    "baselines.views=0",
    "episodes.queries=4",
]
EVALUATE = ["episodes.queries=4", "episodes.episodes=4", "control_draws=1"]


def add_quick(parser: argparse.ArgumentParser) -> None:
    """The option, the same in every benchmark."""
    parser.add_argument("--quick", action="store_true", help="next to nothing of it, to see that it runs")


def target(out: Path | None, usual: Path, *, quick: bool) -> Path:
    """The file to write: `out`, else the `usual` one; a quick run never replaces the figures of a real one."""
    return out or (new_run_dir("bench") / usual.name if quick else usual)
