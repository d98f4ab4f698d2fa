"""A published passage for the fine-tuned model to read: sought once for a question, cut to fit.

Knows nothing about HTTP. Both models get the same passage, so that they answer the same prompt.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.answering.prompt_format import Passage, PromptFormat
from app.engine.interface import ServedModel
from app.references.index import References
from app.references.passages import Passage as Published

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
_OTHER_TOKENIZERS = 32  # tokens by which the base's prompt, whose markers are text, may be longer


@dataclass(frozen=True, slots=True)
class Reader:
    """What finds a passage and cuts it to what a model learned to read: `passage_tokens`."""

    references: References
    prompt_format: PromptFormat
    model: ServedModel
    passage_tokens: int = 230
    characters: int = 1_000
    """Of an answer that are looked at: a little more than `passage_tokens` ever are."""

    async def read(self, question: str, max_new_tokens: int) -> list[Published]:
        """Return what is to be read for a question; nothing where nothing good was found.

        The passage is cut before the answer, which keeps its `max_new_tokens`, up to half of the
        model's context: whoever asks for all of it has none to read otherwise.
        """
        kept = min(max_new_tokens, self.model.context_tokens // 2)
        found = await self.references.find_passages(question, 1, self.characters)
        return [cut for each in found if (cut := self._cut(question, each, kept))]

    def _cut(self, question: str, found: Published, answer_tokens: int) -> Published | None:
        """Return a passage without the last sentences that do not fit; None if nothing does."""
        sentences = _SENTENCE_END.split(found.text)
        tokenizer = self.model.tokenizer
        room = self.model.context_tokens - answer_tokens - _OTHER_TOKENIZERS
        while sentences:
            text = " ".join(sentences)
            cut = found._replace(text=text)
            if len(tokenizer.encode(text)) <= self.passage_tokens and room >= len(
                self.prompt_format.encode(question, tokenizer, shown([cut]))
            ):
                return cut
            if len(sentences) == 1 and "," in text:  # a list of signs, say: it ends at a comma
                sentences = [text.rpartition(",")[0].removesuffix(" …") + " …"]
            else:
                sentences.pop()
        return None


def shown(passages: Sequence[Published] | None) -> list[Passage] | None:
    """Return passages as they stand in a prompt."""
    return None if passages is None else [Passage(each.title, each.text) for each in passages]


@dataclass(slots=True)
class Reading:
    """The passages for one question, sought once, for whoever answers it."""

    reader: Reader | None
    """None: nothing is read."""
    question: str
    max_new_tokens: int
    _task: "asyncio.Task[list[Published]] | None" = field(default=None, init=False)

    async def passages(self) -> Sequence[Published] | None:
        """Return what is to be read, None for nothing; the first to ask has it sought.

        Where nothing good is found the list is empty, and the model says so: by itself it would
        make up an illness for any word it does not know.
        """
        if self.reader is None:
            return None
        if self._task is None:
            self._task = asyncio.create_task(self.reader.read(self.question, self.max_new_tokens))
        return await asyncio.shield(self._task)
