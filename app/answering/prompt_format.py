"""A question becomes a prompt: rendered once as text, given to both models as the same text.

The format is the fine-tuned tokenizer's own chat template, so it lives in one place. A question
is data, and so are passages that the model is to read: whatever special tokens their texts spell
are encoded as plain text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.engine.interface import ServedModel
from app.engine.tokenizer import Tokenizer
from app.errors import CheckpointError

# Private-use characters: no template contains them, so they mark where texts go.
_PLACEHOLDER = "\ue000"
_SPACED = f" a{_PLACEHOLDER}B \n"
"""Shows whether a template gives a question as it is."""
_PASSAGES = (("\ue001", "\ue002"), ("\ue003", "\ue004"))


class Passage(NamedTuple):
    """A text that a model is to read before it answers."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class ContextFormat:
    """The text around passages: before the first, between topic and text, before the others."""

    opening: str
    titled: str
    joint: str
    nothing: str
    """What stands there when nothing was found to read."""


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """The text before and after a question, and the text at which an answer stops."""

    before: str
    after: str
    stop: str
    context: ContextFormat | None = None
    """None: the model never learned to read passages."""
    trims: bool = False
    """Whether the template takes the white space around a question away."""

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "PromptFormat":
        """Read the format from a tokenizer's chat template and end-of-sequence token.

        Raises:
            CheckpointError: the template is missing, fails, or does not show the question once,
                as it is or trimmed.

        """
        if not tokenizer.chat_template:
            raise CheckpointError("the tokenizer has no chat template, so it has no prompt format")
        try:
            rendered, spaced = (
                tokenizer.render([{"role": "user", "content": text}])
                for text in (_PLACEHOLDER, _SPACED)
            )
        except Exception as error:  # a template may divide by zero, too
            raise CheckpointError(f"the chat template does not render: {error}") from error
        parts = rendered.split(_PLACEHOLDER)
        if len(parts) != 2:
            raise CheckpointError(
                f"the chat template shows the question {len(parts) - 1} times instead of once"
            )
        trims = _SPACED not in spaced
        if _SPACED.strip() not in spaced:
            raise CheckpointError("the chat template changes the question's text")
        context = _context_format(tokenizer, *parts)
        return cls(parts[0], parts[1], str(tokenizer.eos_token), context, trims)

    @classmethod
    def of_model(cls, fine_tuned: ServedModel) -> "PromptFormat":
        """Check that a fine-tuned tokenizer can begin and end an answer; return its format.

        Raises:
            CheckpointError: the end token is missing, split or shared with padding, or the chat
                template fails.

        """
        tokenizer = fine_tuned.tokenizer
        try:
            if tokenizer.eos_token is None:
                raise CheckpointError("the tokenizer has no end-of-sequence token")
            if tokenizer.encode_marked(tokenizer.eos_token) != [tokenizer.eos_token_id]:
                raise CheckpointError(f"{tokenizer.eos_token} is not one token")
            if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
                raise CheckpointError("padding needs its own token, apart from end-of-sequence")
            return cls.of(tokenizer)
        except CheckpointError as error:
            raise CheckpointError(f"{fine_tuned.source}: {error}") from error

    def reserve_markers(self, tokenizer: Tokenizer) -> None:
        """Have a tokenizer treat this format's markers as special, if it has them as tokens."""
        whole = self.before + self.after + self.stop
        if self.context:
            whole += self.context.opening + self.context.joint
        added = tokenizer.backend.get_added_tokens_decoder().values()
        tokenizer.reserve([token.content for token in added if token.content in whole])

    def render(self, question: str, passages: Sequence[Passage] | None = None) -> str:
        """Return the prompt as text; passages, or that none was found, are for a `context`."""
        return "".join(part.text for part in self._parts(question, passages))

    def encode(
        self, question: str, tokenizer: Tokenizer, passages: Sequence[Passage] | None = None
    ) -> list[int]:
        """Return the prompt's token ids, with question and passages as plain text.

        No passages: the model is told that none was found. None: it is not asked to read.

        A tokenizer that knows the format's markers as special tokens (the fine-tuned one) gets
        them as such. Between two markers, and for a tokenizer that knows none (the base), the
        text is encoded at once, so that tokens may form across the borders of what is data.
        """
        longest_first = sorted(tokenizer.special_tokens, key=len, reverse=True)
        marker = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        ids: list[int] = []
        plain = ""
        last = ""
        for part in self._parts(question, passages):
            start = 0
            for found in () if part.is_data else marker.finditer(part.text):
                plain += part.text[start : found.start()]
                ids += tokenizer.encode(tokenizer.between(last, plain, found[0]))
                ids += tokenizer.encode_marked(found[0])
                plain, last, start = "", found[0], found.end()
            plain += part.text[start:]
        return ids + tokenizer.encode(tokenizer.between(last, plain, ""))

    def _parts(self, question: str, passages: Sequence[Passage] | None) -> Iterator["_Part"]:
        yield _Part(self.before)
        yield _Part(question.strip() if self.trims else question, is_data=True)
        assert self.context or passages is None, "passages are for a model that reads"
        if self.context and passages is not None and not passages:
            yield _Part(self.context.nothing)
        for number, passage in enumerate(passages or ()):
            assert self.context
            yield _Part(self.context.joint if number else self.context.opening)
            yield _Part(passage.topic, is_data=True)
            yield _Part(self.context.titled)
            yield _Part(passage.text, is_data=True)
        yield _Part(self.after)


class _Part(NamedTuple):
    """A piece of a prompt: of its format, or data."""

    text: str
    is_data: bool = False


def _context_format(tokenizer: Tokenizer, before: str, after: str) -> ContextFormat | None:
    """Return how a template shows two passages; None where it does not, each once and in order."""
    asked = {"role": "user", "content": _PLACEHOLDER}
    read = [{"role": "context", "topic": topic, "content": text} for topic, text in _PASSAGES]
    try:
        rendered = tokenizer.render([asked, *read])
        empty = tokenizer.render([asked, {"role": "context", "content": ""}])
    except Exception:  # it may refuse a role that it does not know
        return None
    (first_topic, first), (second_topic, second) = _PASSAGES
    texts = [_PLACEHOLDER, first_topic, first, second_topic, second]
    between = re.fullmatch("(.*)".join(["", *texts, ""]), rendered, flags=re.DOTALL)
    if between is None or any(rendered.count(text) != 1 for text in texts):
        return None
    start, opening, titled, joint, titled_again, end = between.groups()
    if (start, titled, end) != (before, titled_again, after):
        return None
    around = before + _PLACEHOLDER
    if not (
        empty.startswith(around) and empty.endswith(after) and len(empty) > len(around + after)
    ):
        return None  # it does not say when nothing was found
    return ContextFormat(opening, titled, joint, empty[len(around) : len(empty) - len(after)])
