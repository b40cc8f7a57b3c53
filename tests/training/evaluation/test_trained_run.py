"""Reading a finished training."""

import subprocess
import sys

import pytest

READERS = "evaluation.evaluate", "figures.report", "prediction.encoders.trained"
TRAINERS = "engine.trainer", "engine.head_trainer", "encoder.training", "baselines.training", "bridge.train_bridge"


@pytest.mark.slow  # torch is imported in a process of its own
def test_a_finished_run_is_read_without_what_trains() -> None:
    imports = "; ".join(f"import syntrans_training.{name}" for name in READERS)
    code = f"import sys; {imports}; print(*[n for n in {TRAINERS!r} if f'syntrans_training.{{n}}' in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
