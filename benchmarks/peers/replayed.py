"""Our engine at another model's size, saying what the demo pair says: what guesses save there.

A random model of that size says nothing that was ever said before, so nothing could be guessed.
Here it computes every step in full, and the demo pair's token is taken in place of its own.
"""

import json
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import torch

from app.answering.prompt_format import Passage, PromptFormat
from app.engine.admission import Limits
from app.engine.backends.interface import Backend
from app.engine.checkpoint import Checkpoint, load
from app.engine.drafting import Drafter
from app.engine.guard import RepetitionGuard, inside_words
from app.engine.interface import Decoding, Source
from app.engine.requests import Generation, Result
from app.engine.sampling import Choice
from app.engine.scheduler import Scheduler
from app.engine.training_text import TrainingText
from app.engine.worker import choose
from app.model_sources import DEMO
from app.settings import Settings
from benchmarks.peers.contract import Case, Prompts

PACKAGES: tuple[str, ...] = ("openvino",)
NEW_TOKENS = 64
_MODEL = DEMO / "fine-tuned"
_MOST = 16
_PASSAGE_CHARACTERS = 900  # about what is read at most
_PASSAGE_END = ". "


class Said(NamedTuple):
    """A prompt and what the demo pair answers, `NEW_TOKENS` of it, token ids both."""

    prompt: list[int]
    answer: list[int]


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model exactly; with guesses from the request's own text, and from training too."""
    checkpoint = _loaded(directory, str(device))
    training = TrainingText.beside(_MODEL)
    return {
        "ours, fp32": Case(partial(_run, checkpoint.backend, False, None), 4),
        "ours, fp32, guesses from its own text": Case(
            partial(_run, checkpoint.backend, True, None), 4
        ),
        "ours, fp32, guesses": Case(partial(_run, checkpoint.backend, True, training), 4),
    }


@cache
def said(reading: bool) -> list[Said]:
    """Return what the demo pair answers to questions it never saw, from a passage or by itself."""
    checkpoint = _loaded(_MODEL, "cpu")
    prompt_format = PromptFormat.of(checkpoint.tokenizer)
    inside = inside_words(checkpoint.tokenizer)
    found: list[Said] = []
    for line in (_MODEL / "samples.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = row["published"][0][:_PASSAGE_CHARACTERS].rpartition(_PASSAGE_END)[0] + "."
        topic = row["question"].rstrip("?").rpartition(" of ")[2]
        passages = [Passage(topic, text)] if reading else None
        prompt = prompt_format.encode(row["question"], checkpoint.tokenizer, passages)
        guard = RepetitionGuard(prompt, checkpoint.no_repeat_ngram_size, inside)
        answer = Generation(
            prompt, Decoding(NEW_TOKENS), checkpoint.tokenizer.eos_token_id, guard,
            Drafter(prompt, None),
        )  # fmt: skip
        (ids,) = _answers(checkpoint.backend, [answer], drafts=False)
        if len(ids) == NEW_TOKENS:
            found.append(Said(prompt, ids))
        if len(found) == _MOST:
            break
    return found


class _Replayed(Generation):
    """An answer whose tokens are known."""

    def __init__(self, prompt: list[int], answer: list[int], drafter: Drafter) -> None:
        super().__init__(prompt, Decoding(len(answer)), None, None, drafter)
        self._answer = answer

    def take(self, choices: Sequence[Choice]) -> Result | None:
        """Go on from what the demo pair said there."""
        made = self._made
        return super().take([Choice(token) for token in self._answer[made : made + len(choices)]])


def _loaded(directory: Path, device: str) -> Checkpoint:
    return load(
        Source(str(directory)),
        device=device,
        dtype="float32",
        threads=torch.get_num_threads(),
        cache_tokens=Settings().cache_tokens,
    )


def _run(
    backend: Backend,
    drafts: bool,
    training: TrainingText | None,
    prompts: Prompts,
    new_tokens: int,
) -> list[list[int]]:
    answers = {
        tuple(each.prompt): each.answer for reading in (False, True) for each in said(reading)
    }
    return _answers(
        backend,
        [
            _Replayed(prompt, answers[tuple(prompt)][:new_tokens], Drafter(prompt, training))
            for prompt in prompts
        ],
        drafts,
    )


def _answers(backend: Backend, requests: Sequence[Generation], drafts: bool) -> list[list[int]]:
    limits = Limits(_MOST, 0, Settings().max_batch_tokens)
    scheduler = Scheduler(backend, choose, limits, drafts)
    for number, request in enumerate(requests):
        scheduler.add(number, request)
    answers: list[list[int]] = [[] for _ in requests]
    while not scheduler.idle:
        for number, tokens, _ in scheduler.step():
            assert isinstance(tokens, list), tokens
            answers[number] += [token.id for token in tokens]
    return answers
