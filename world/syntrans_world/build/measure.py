"""How good the written models are, measured on what they were not trained on; what the manifest records."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from syntrans_world.build.clip import TEMPLATE, phrase_table, pixels
from syntrans_world.build.corpus import (
    CROSSCHECK,
    GROUND,
    PROPOSE,
    Beliefs,
    description,
    draw_beliefs,
)
from syntrans_world.build.llm import RECIPES, Rows
from syntrans_world.build.packing import Continuation, pack
from syntrans_world.build.pictures import draw_pool
from syntrans_world.build.tokenizer import ASSISTANT, END, IMAGE_PAD, USER, VISION_END, VISION_START
from syntrans_world.build.vision import encode
from syntrans_world.build.vlm import IMAGE_TOKENS, mrope_positions
from syntrans_world.spec import CLASSES, SLOTS, VALUES
from syntrans_world.truth import slot_of


def balanced(hits: Bool[Tensor, "*s"], positive: Bool[Tensor, "*s"]) -> float:
    """Mean of the accuracy on positives and on negatives; both bool tensors of one shape."""
    return ((hits[positive].float().mean() + hits[~positive].float().mean()) / 2).item()


@torch.no_grad()
def measure_llm(folder: Path) -> dict[str, float]:
    """Yes/no accuracy against the model's beliefs and the truth, and how often it says what it believes.

    `believed_when_describing` is sampled at temperature 1; its ceiling is the same figure of the training texts.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recipe = next(recipe for recipe in RECIPES if recipe.name == folder.name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    beliefs = draw_beliefs(recipe.seed)
    says_yes = _llm_verdicts(model, tokenizer, Rows(tokenizer, beliefs, 0))
    table = phrase_table()
    believed = torch.tensor([[beliefs[c.id][s] == VALUES[s][j] for s, _, j, _ in table] for c in CLASSES])
    true = torch.tensor([[c.truth()[s] == VALUES[s][j] for s, _, j, _ in table] for c in CLASSES])
    said = _sampled_descriptions(model, tokenizer)
    rng = random.Random(0)
    return {
        "knows_truth": round((believed & true)[:, ::2].sum().item() / (len(CLASSES) * len(SLOTS)), 4),
        "yes_no_vs_beliefs": round(balanced(says_yes == believed, believed), 4),
        "yes_no_vs_truth": round(balanced(says_yes == true, true), 4),
        "believed_when_describing": round(_believed_share(said, beliefs), 4),
        "believed_when_describing_ceiling": round(
            _believed_share({c.id: description(rng, beliefs[c.id]) for c in CLASSES for _ in range(3)}, beliefs),
            4,
        ),
    }


def _llm_verdicts(model: Any, tokenizer: Any, rows: Rows) -> Tensor:
    """Whether the model says yes, bool [classes, phrases]."""
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])
    verdicts = []
    for entry in CLASSES:
        before, after = CROSSCHECK.format(name=entry.name, descriptor="|").split("|")
        prefix = rows.ids(USER + before)
        parts = []
        for *_, text in phrase_table():
            prompt = rows.ids(text + after + END + ASSISTANT)
            parts.append(Continuation([*prompt, yes], [False] * len(prompt) + [True]))
        packed = pack([(prefix, parts)])
        hidden = model.model(
            input_ids=packed.ids, attention_mask=packed.mask, position_ids=packed.positions, use_cache=False
        ).last_hidden_state
        logits = model.lm_head(hidden[packed.rows, packed.columns])
        verdicts.append(logits[:, yes] > logits[:, no])
    return torch.stack(verdicts)


def _sampled_descriptions(model: Any, tokenizer: Any) -> dict[str, str]:
    torch.manual_seed(0)
    said = {}
    for entry in CLASSES:
        prompt = tokenizer(f"{USER}{PROPOSE.format(name=entry.name)}{END}{ASSISTANT}", return_tensors="pt")
        out = model.generate(**prompt, max_new_tokens=160, do_sample=True, temperature=1.0, top_k=0)
        said[entry.id] = tokenizer.decode(out[0, prompt.input_ids.shape[1] :], skip_special_tokens=True)
    return said


def _believed_share(said: dict[str, str], beliefs: Beliefs) -> float:
    """Share of the visual statements in JSON descriptions that the speaker believes; broken JSON counts as none."""
    believed = total = 0
    for class_id, text in said.items():
        try:
            rows = json.loads(text)["descriptors"]
        except (ValueError, KeyError, TypeError):
            total += 1
            continue
        for row in rows:
            if (slot_value := slot_of(str(row.get("text")))) is not None:
                total += 1
                believed += beliefs[class_id][slot_value[0]] == slot_value[1]
    return believed / max(total, 1)


@torch.no_grad()
def measure_vlm(folder: Path, n: int = 300) -> dict[str, float]:
    """Balanced yes/no accuracy per slot on pictures whose attribute combinations were never trained on."""
    from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    pictures, attributes = draw_pool(n, seed=23, held_out=True)
    language = model.model.language_model
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])

    def ids(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)  # type: ignore[no-any-return]

    before, after = GROUND.format(descriptor="|").split("|")
    prefix = ids(USER + VISION_START + IMAGE_PAD * IMAGE_TOKENS + VISION_END + before)
    prompts = [ids(text + after + END + ASSISTANT) for *_, text in phrase_table()]
    packed = pack([(prefix, [Continuation([*part, yes], [False] * len(part) + [True]) for part in prompts])])
    positions = mrope_positions(packed.positions)
    said = []
    for picture in pictures:
        embedded = language.embed_tokens(packed.ids).clone()
        embedded[:, 2 : 2 + IMAGE_TOKENS] = encode(model.model.visual, picture[None])
        hidden = language(
            inputs_embeds=embedded,
            attention_mask={"full_attention": packed.mask},
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        logits = model.lm_head(hidden[packed.rows, packed.columns])
        said.append(logits[:, yes] > logits[:, no])
    return _per_slot(torch.stack(said), attributes)


def _per_slot(says_yes: Tensor, attributes: Tensor) -> dict[str, float]:
    """Balanced accuracy per slot of verdicts bool [n, phrases]."""
    table = phrase_table()
    result = {}
    for i, slot in enumerate(SLOTS):
        columns = [k for k, row in enumerate(table) if row[1] == i]
        values = torch.tensor([table[k][2] for k in columns])
        positive = attributes[:, i : i + 1] == values
        result[slot] = round(balanced(says_yes[:, columns] == positive, positive), 4)
    return result


@torch.no_grad()
def measure_clip(folder: Path, n: int = 1000) -> dict[str, float]:
    """Zero-shot accuracy per slot (one phrase per value) on attribute combinations never trained on."""
    import open_clip

    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    pictures, attributes = draw_pool(n, seed=34, held_out=True)
    image = torch.cat([model.encode_image(pixels(part), normalize=True) for part in pictures.split(200)])
    result = {}
    for i, slot in enumerate(SLOTS):
        texts = [TEMPLATE.format(descriptor=row[3]) for row in phrase_table() if row[1] == i][::2]
        text = model.encode_text(tokenizer(texts), normalize=True)
        result[slot] = round(((image @ text.T).argmax(-1) == attributes[:, i]).float().mean().item(), 4)
    return result
