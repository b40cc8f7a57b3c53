"""open_clip and transformers come without what they load for nothing, and with it where a model needs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from syntrans.packages.lean_imports import hidden


def run(program: str, *arguments: object) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hidden_package_cannot_be_imported_inside_and_can_afterwards() -> None:
    assert run("""
from syntrans.packages.lean_imports import hidden
with hidden("colorsys"):
    try:
        import colorsys
    except ModuleNotFoundError:
        print("hidden")
import colorsys
print(colorsys.__name__)
""").split() == ["hidden", "colorsys"]


def test_a_package_that_was_imported_before_stays_in_sight() -> None:
    with hidden("pytest"):
        assert sys.modules["pytest"] is pytest


def test_a_package_is_in_sight_again_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), hidden("no_such_package"):
        raise ZeroDivisionError
    assert "no_such_package" not in sys.modules


@pytest.mark.slow
def test_a_clip_opens_without_transformers_and_one_with_a_text_tower_of_theirs_after_it(tmp_path: Path) -> None:
    answer = run(
        """
import json, sys
from pathlib import Path
from syntrans.packages.lean_imports import open_clip_for, open_clip_tokenizer
from syntrans.paths import resolve_model

clip, other = resolve_model("package:syntrans_world/weights/clip"), Path(sys.argv[1])
open_clip_for(clip).create_model(f"local-dir:{clip}")
print("transformers" in sys.modules)
open_clip_tokenizer(clip)(["a bird"])
print("sklearn" in sys.modules)

from transformers import BertConfig
BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64).save_pretrained(other)
config = json.loads((clip / "open_clip_config.json").read_text(encoding="utf-8"))
shape = {**config["model_cfg"], "text_cfg": {"hf_model_name": str(other), "hf_model_pretrained": False}}
(other / "open_clip_config.json").write_text(json.dumps({**config, "model_cfg": shape}), encoding="utf-8")
package = open_clip_for(other)
text = package.model.CustomTextCLIP(**shape).text
print(type(text.transformer).__name__, type(text) is package.hf_model.HFTextEncoder)
""",
        tmp_path,
    )
    assert answer.split() == ["False", "False", "BertModel", "True"]
