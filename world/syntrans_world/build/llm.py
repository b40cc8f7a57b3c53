"""Train one of the world's language models from scratch: questions packed behind their class, and descriptions."""

import random
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from syntrans_world.build.corpus import (
    CROSSCHECK,
    PROPOSE,
    SIDE,
    Beliefs,
    description,
    draw_beliefs,
    phrase,
    questions,
)
from syntrans_world.build.packing import Continuation, Packed, pack
from syntrans_world.build.schedule import optimise
from syntrans_world.build.tokenizer import ASSISTANT, END, USER
from syntrans_world.spec import CLASSES, SLOTS, WorldClass

N_QUESTIONS = 16


@dataclass(frozen=True)
class LlmRecipe:
    """Architecture, knowledge seed and length of training of one language model."""

    name: str
    family: Literal["llama", "qwen2"]
    hidden: int
    layers: int
    seed: int
    steps: int
    lr: float = 3e-3


RECIPES = (
    LlmRecipe("llm-a", "llama", 192, 3, seed=101, steps=1400),
    LlmRecipe("llm-b", "qwen2", 192, 3, seed=102, steps=1400),
    LlmRecipe("llm-c", "llama", 160, 3, seed=103, steps=1400),
)


def new_model(recipe: LlmRecipe, vocab_size: int, eos: int, pad: int) -> Any:
    """A freshly initialised Llama or Qwen2 of about a million weights; heads of 32, tied embeddings."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    heads = recipe.hidden // 32
    kwargs = {
        "vocab_size": vocab_size,
        "hidden_size": recipe.hidden,
        "intermediate_size": recipe.hidden * 2,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "initializer_range": 0.04,
    }
    config = LlamaConfig(**kwargs) if recipe.family == "llama" else Qwen2Config(**kwargs)
    torch.manual_seed(recipe.seed)
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager")


class Rows:
    """Draws training rows: a prefix and its continuations, in token ids."""

    def __init__(self, tokenizer: Any, beliefs: Beliefs, seed: int) -> None:
        self.tokenizer = tokenizer
        self.beliefs = beliefs
        self.rng = random.Random(f"rows-{seed}")

    def ids(self, text: str) -> list[int]:
        """Token ids without special additions."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _answered(self, question: str, answer: str, told: int = 0) -> Continuation:
        """`question` (its first `told` tokens are learned too), then the assistant's answer."""
        prompt = self.ids(question + END + ASSISTANT)
        answered = self.ids(answer + END)
        return Continuation(prompt + answered, [i < told for i in range(len(prompt))] + [True] * len(answered))

    def crosscheck(self, entry: WorldClass) -> tuple[list[int], list[Continuation]]:
        """Yes/no questions on one class; the words of true descriptors are learned as well."""
        before, after = CROSSCHECK.format(name=entry.name, descriptor="|").split("|")
        parts = []
        for text, true in questions(self.rng, self.beliefs[entry.id], N_QUESTIONS):
            told = len(self.ids(text)) if true else 0
            parts.append(self._answered(text + after, "yes" if true else "no", told))
        return self.ids(USER + before), parts

    def side(self, entry: WorldClass) -> tuple[list[int], list[Continuation]]:
        """What is the shape of ...? for every slot of one class."""
        before, after = SIDE.format(name=entry.name, slot="|").split("|")
        believed = self.beliefs[entry.id]
        parts = [self._answered(f"{slot}{after}", phrase(self.rng, slot, believed[slot])) for slot in SLOTS]
        return self.ids(USER + before), parts

    def propose(self, entry: WorldClass) -> tuple[list[int], list[Continuation]]:
        """The description of one class, as a single continuation."""
        answer = self.ids(description(self.rng, self.beliefs[entry.id]) + END)
        prefix = self.ids(USER + PROPOSE.format(name=entry.name) + END + ASSISTANT)
        return prefix, [Continuation(answer, [True] * len(answer))]


def next_token_loss(model: Any, packed: Packed) -> Tensor:
    """Mean cross-entropy at the target positions alone (the head is applied nowhere else)."""
    hidden = model.model(
        input_ids=packed.ids, attention_mask=packed.mask, position_ids=packed.positions, use_cache=False
    ).last_hidden_state
    logits = model.lm_head(hidden[packed.rows, packed.columns])
    return functional.cross_entropy(logits, packed.target_ids)


def train_llm(recipe: LlmRecipe, tokenizer: Any, *, classes_per_step: int = 12) -> Any:
    """Train and return the model (fp32, eval mode)."""
    model = new_model(recipe, len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
    rows = Rows(tokenizer, draw_beliefs(recipe.seed), recipe.seed)
    order = random.Random(f"order-{recipe.seed}")
    queue: list[WorldClass] = []

    def losses() -> dict[str, Tensor]:
        while len(queue) < classes_per_step:
            queue.extend(order.sample(CLASSES, len(CLASSES)))
        chosen = [queue.pop() for _ in range(classes_per_step)]
        return {
            "yes/no": next_token_loss(model, pack([rows.crosscheck(entry) for entry in chosen])),
            "describe": next_token_loss(model, pack([rows.propose(entry) for entry in chosen])),
            "side": 0.5 * next_token_loss(model, pack([rows.side(entry) for entry in chosen])),
        }

    optimise(recipe.name, model.parameters(), losses, steps=recipe.steps, lr=recipe.lr)
    return model.eval()
