"""A model under test, what it is held against, and what a check says.

Knows nothing about which checks there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.admission import Limits
from app.engine.backends.interface import Backend, Run
from app.engine.checkpoint import Checkpoint
from app.engine.drafting import Drafter
from app.engine.guard import RepetitionGuard, inside_words
from app.engine.interface import Decoding
from app.engine.requests import Generation
from app.engine.sampling import Choice, Row
from app.engine.scheduler import Scheduler

STEP_TOKENS = 256
_TEXT = (
    "Asthma is a condition that affects the airways in the lungs. In people with asthma, the "
    "airways are inflamed and become narrow from time to time, which makes it hard to breathe. "
    "Signs are wheezing, coughing, shortness of breath and a tight chest, often at night. Nobody "
    "knows what causes it; genes and the surroundings both play a part. Medicines that are inhaled "
    "open the airways or calm the inflammation. What is diabetes? In diabetes the blood holds too "
    "much sugar, because the body makes too little insulin or does not use it well. Over years "
    "this harms the eyes, kidneys, nerves and heart. Food, exercise and medicines keep it down. "
)

Choose = Callable[[Any, Sequence[Row]], list[Choice]]
Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `off` says in a few words what is not as it should be."""

    name: str
    figures: dict[str, Any] = field(default_factory=dict)
    off: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A model on the device under test, and the same on the CPU in float32."""

    checkpoint: Checkpoint
    reference: Backend
    choose: Choose

    @property
    def backend(self) -> Backend:
        """What is tested."""
        return self.checkpoint.backend

    @property
    def new_tokens(self) -> int:
        """Length of an answer that is long enough to tell."""
        return min(48, self.checkpoint.context_tokens // 3)

    def text(self, tokens: int) -> list[int]:
        """Return so many tokens of English."""
        ids = self.checkpoint.tokenizer.encode(_TEXT)
        return (ids * (tokens // len(ids) + 1))[:tokens]

    def generate(self, prompts: Sequence[list[int]], decoding: Decoding) -> list[list[int]]:
        """Return the answers to prompts that run side by side."""
        scheduler = self.scheduler(len(prompts))
        for number, prompt in enumerate(prompts):
            scheduler.add(number, self.generation(prompt, decoding))
        answers: list[list[int]] = [[] for _ in prompts]
        while not scheduler.idle:
            for number, result, _ in scheduler.step():
                if isinstance(result, Exception):
                    raise result
                if isinstance(result, list):
                    answers[number] += [token.id for token in result]
        return answers

    def scheduler(self, running: int, backend: Backend | None = None) -> Scheduler:
        """Return one that lets so many answers run."""
        limits = Limits(running, 0, max(STEP_TOKENS, running))
        return Scheduler(backend or self.backend, self.choose, limits, drafts=False)

    def generation(self, prompt: list[int], decoding: Decoding) -> Generation:
        """Return a request that ends by its length alone."""
        size = decoding.no_repeat_ngram_size
        guard = None
        if size:
            guard = RepetitionGuard(prompt, size, inside_words(self.checkpoint.tokenizer))
        return Generation(prompt, decoding, None, guard, Drafter(prompt, None))


def read(backend: Backend, tokens: Sequence[int]) -> Logits:
    """Return a backend's logits of every token of a text, read in pieces."""
    blocks = range(-(-len(tokens) // backend.block_tokens))
    rows = []
    for start in range(0, len(tokens), STEP_TOKENS):
        piece = tokens[start : start + STEP_TOKENS]
        rows.append(array(backend.forward([Run(piece, start, blocks, len(piece))])))
    return np.concatenate(rows)


def array(logits: Any) -> Logits:
    """Return logits as an array of their own, wherever they are."""
    found = logits if isinstance(logits, np.ndarray) else logits.cpu().numpy()
    return found.astype(np.float64)
