"""The shipped weights: the manifest is true, the prompts are those of training, the packing is exact."""

import json
import random

import pytest
import yaml
from jinja2 import Template

from syntrans.paths import shipped
from syntrans_world.build import corpus
from syntrans_world.build.__main__ import WEIGHTS
from syntrans_world.build.manifest import file_hashes
from syntrans_world.spec import CLASSES, SLOTS

MANIFEST = json.loads((WEIGHTS / "manifest.json").read_text())


def test_every_shipped_file_has_the_hash_that_the_manifest_states() -> None:
    assert file_hashes(WEIGHTS) == MANIFEST["files"]


def test_the_weights_fit_the_size_they_may_have() -> None:
    sizes = {path: entry["bytes"] for path, entry in MANIFEST["files"].items()}
    diffusion = sum(size for path, size in sizes.items() if path.startswith("diffusion/"))
    assert max(sizes.values()) <= 8 * 2**20
    assert diffusion <= 8 * 10**6
    assert sum(sizes.values()) - diffusion <= 16 * 10**6


def test_every_model_is_there_as_safetensors_and_nothing_is_pickled() -> None:
    for name in ("llm-a", "llm-b", "llm-c", "vlm", "clip", "diffusion/unet", "diffusion/vae", "diffusion/text_encoder"):
        assert list((WEIGHTS / name).glob("*.safetensors")), name
    assert not [p for p in WEIGHTS.rglob("*") if p.suffix in {".bin", ".pt", ".pth", ".pkl"}]


@pytest.mark.parametrize(
    ("prompt", "text", "variables"),
    [
        ("world_propose.v1", corpus.PROPOSE, {"name": "brinan"}),
        ("world_crosscheck.v1", corpus.CROSSCHECK, {"name": "brinan", "descriptor": "a red body"}),
        ("world_ground.v1", corpus.GROUND, {"descriptor": "a red body"}),
    ],
)
def test_the_prompt_files_say_what_the_models_were_trained_on(prompt: str, text: str, variables) -> None:
    messages = yaml.safe_load(shipped("prompts", f"{prompt}.yaml").read_text())["messages"]
    assert messages[-1]["role"] == "user"
    assert Template(messages[-1]["text"]).render(**variables).strip() == text.format(**variables)


def test_a_description_is_compact_json_of_five_to_nine_items() -> None:
    beliefs = corpus.draw_beliefs(1)
    rng = random.Random(0)
    for entry in CLASSES:
        text = corpus.description(rng, beliefs[entry.id])
        items = json.loads(text)["descriptors"]
        assert 5 <= len(items) <= 9
        assert ": " not in text


def test_models_believe_about_four_fifths_of_the_truth_and_err_differently() -> None:
    first, second = corpus.draw_beliefs(101), corpus.draw_beliefs(102)
    pairs = [(c.id, slot, c.truth()[slot]) for c in CLASSES for slot in SLOTS]
    known = [first[i][s] == v for i, s, v in pairs]
    assert 0.75 < sum(known) / len(known) < 0.85
    shared_errors = [first[i][s] == second[i][s] != v for i, s, v in pairs]
    assert sum(shared_errors) / len(shared_errors) < 0.03


@pytest.mark.slow
def test_packed_questions_get_the_answers_that_separate_ones_get() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from syntrans_world.build.packing import Continuation, pack

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "llm-a")
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / "llm-a", dtype=torch.float32, attn_implementation="eager")
    prefix = tokenizer.encode('<|user|>Is brinan described by "', add_special_tokens=False)
    tails = [
        tokenizer.encode(f'{d}"?<|end|><|assistant|>', add_special_tokens=False) for d in ("a red body", "nested rings")
    ]
    packed = pack([(prefix, [Continuation([*t, 0], [False] * len(t) + [True]) for t in tails])])
    with torch.no_grad():
        hidden = model.model(
            input_ids=packed.ids, attention_mask=packed.mask, position_ids=packed.positions
        ).last_hidden_state
        together = model.lm_head(hidden[packed.rows, packed.columns])
        apart = torch.stack([model(torch.tensor([prefix + t])).logits[0, -1] for t in tails])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_the_measured_quality_is_what_the_manifest_states() -> None:
    from syntrans_world.build.measure import measure_clip, measure_vlm

    for name, measure, n in (("vlm", measure_vlm, 100), ("clip", measure_clip, 500)):
        stated = MANIFEST["quality"][name]
        for slot, accuracy in measure(WEIGHTS / name, n=n).items():
            assert accuracy == pytest.approx(stated[slot], abs=0.06), (name, slot)


@pytest.mark.parametrize("slot", SLOTS)
def test_imagined_pictures_show_what_they_were_asked_for(slot: str) -> None:
    assert MANIFEST["quality"]["diffusion"][f"imagined_{slot}"] >= 0.6


def test_no_imagined_picture_is_a_copy_of_a_training_picture() -> None:
    stated = MANIFEST["quality"]["diffusion"]
    assert stated["closest_imagined"] >= 0.5 * stated["closest_real"]


@pytest.mark.slow
def test_the_measured_quality_of_the_diffusion_model_is_what_the_manifest_states() -> None:
    from syntrans_world.build.diffusion.measure import measure_diffusion

    stated = MANIFEST["quality"]["diffusion"]
    measured = measure_diffusion(WEIGHTS / "diffusion", WEIGHTS / "clip", n=60)
    for slot in SLOTS:
        assert measured[f"imagined_{slot}"] == pytest.approx(stated[f"imagined_{slot}"], abs=0.2), slot
        assert measured[f"real_{slot}"] == pytest.approx(stated[f"real_{slot}"], abs=0.1), slot


def test_the_text_tower_of_the_diffusion_model_is_clips() -> None:
    import torch

    from syntrans_world.build.diffusion.text_tower import text_tower, tokenizer_of

    open_clip = pytest.importorskip("open_clip")
    source = f"local-dir:{WEIGHTS / 'clip'}"
    ids = tokenizer_of(WEIGHTS / "clip")(
        ["a picture of a red body", "a picture of nested rings, seen at night"],
        padding="max_length", max_length=32, return_tensors="pt",
    ).input_ids  # fmt: skip
    theirs = open_clip.create_model(source).eval()
    with torch.no_grad():
        ours = text_tower(WEIGHTS / "clip")(ids).pooler_output @ theirs.text_projection
        torch.testing.assert_close(ours, theirs.encode_text(ids))
