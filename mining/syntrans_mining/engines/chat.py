"""From a request to what a local model reads: the chat template's text, its tokens, the decoded picture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from syntrans.images.image_set import decode
from syntrans_mining.engines.base import Response
from syntrans_mining.engines.picture_size import fit

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Message, Picture, Request

YES, NO = ("yes", "Yes", "YES", " yes", " Yes", " YES"), ("no", "No", "NO", " no", " No", " NO")
_PICTURES = 64  # decoded pictures kept: questions about one come one after the other


class Chat:
    """One model's way of writing conversations. Pictures are reduced to ``max_pixels`` first."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_len: int,
        template_args: Mapping[str, Any] | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.tokenizer, self._max_len = tokenizer, max_len
        self._template_args, self._max_pixels = dict(template_args or {}), max_pixels
        self._pictures: OrderedDict[str, Any] = OrderedDict()
        self.yes, self.no = single_tokens(tokenizer, YES), single_tokens(tokenizer, NO)

    def tokens(self, requests: Sequence[Request]) -> list[list[int]]:
        """The prompt tokens of each request."""
        texts = [self._render(request.messages) for request in requests]
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return ids

    def problem(self, request: Request, n_tokens: int) -> Response | None:
        """The answer to what need not be asked."""
        room = self._max_len - (1 if request.yes_no else request.sampling.max_tokens)
        refusal = partial(Response, request.id, finish_reason="error", prompt_tokens=n_tokens)
        if n_tokens > room:
            return refusal(error=f"the prompt has {n_tokens} tokens, {room} fit beside the answer", reason="too_long")
        if request.yes_no and not (self.yes and self.no):
            return refusal(error="neither 'yes' nor 'no' is one token of this model's vocabulary")
        return None

    def picture(self, picture: Picture) -> Any:
        """The picture as PIL image, decoded once however many questions it gets in a row."""
        if picture.sha256 not in self._pictures:
            image = decode(picture.data, f"picture {picture.sha256[:12]}")
            self._pictures[picture.sha256] = fit(image, self._max_pixels)
            if len(self._pictures) > _PICTURES:
                self._pictures.popitem(last=False)
        return self._pictures[picture.sha256]

    def _render(self, messages: Sequence[Message]) -> str:
        conversation = [{"role": message.role, "content": _content(message)} for message in messages]
        text = self.tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=True, **self._template_args
        )
        return str(text)


def single_tokens(tokenizer: Any, spellings: Sequence[str]) -> list[int]:
    """The ids of those ``spellings`` that are one token."""
    encoded = [tokenizer.encode(spelling, add_special_tokens=False) for spelling in spellings]
    return list(dict.fromkeys(ids[0] for ids in encoded if len(ids) == 1))


def _content(message: Message) -> Any:
    if not message.picture:
        return message.text
    return [{"type": "image"}, {"type": "text", "text": message.text}]
