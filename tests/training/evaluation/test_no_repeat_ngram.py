"""The guard against repetition: beside upstream's, and answers as the service gives them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import NoRepeatNGramLogitsProcessor

from app.engine.interface import Decoding
from tests.app.conftest import loaded as loaded_for_service
from tests.app.conftest import made_here
from training.evaluation.batched_greedy import greedy_answers
from training.evaluation.loaded_model import load
from training.evaluation.no_repeat_ngram import NoRepeat

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [61] * 30]
OUTSIDE = torch.zeros(8, dtype=torch.bool)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 40])
def test_between_words_it_bans_what_upstreams_bans(size: int, tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    answers: Any = torch.randint(0, 4, (5, tokens), generator=generator)
    logits: Any = torch.rand(5, 8, generator=generator)
    expected = NoRepeatNGramLogitsProcessor(size)(answers, logits.clone())
    NoRepeat(size, OUTSIDE).ban(logits, answers[:, :0], answers)
    assert torch.equal(logits, expected)


def test_what_the_prompt_holds_may_come_again() -> None:
    answers = torch.tensor([[1, 2, 3, 1, 2], [1, 2, 3, 1, 2]])
    prompts = torch.tensor([[-1, 1, 2, 4], [0, 1, 2, 3]])
    logits = torch.zeros(2, 8)
    NoRepeat(3, OUTSIDE).ban(logits, prompts, answers)
    assert logits.isinf().nonzero().tolist() == [[0, 3]]


def test_a_long_sequence_comes_as_often_as_in_the_prompt() -> None:
    sentence = list(range(10))
    twice = [*sentence, 5, *sentence, 5]
    made = torch.tensor([[*twice, *sentence[:-1]]])
    for prompt, banned in ((twice, [[0, 9]]), ([*twice, *sentence], [])):
        logits = torch.zeros(1, 16)
        NoRepeat(2, torch.zeros(16, dtype=torch.bool)).ban(logits, torch.tensor([prompt]), made)
        assert logits.isinf().nonzero().tolist() == banned


@pytest.mark.parametrize("size", [2, 3])
def test_evaluation_answers_as_the_service_does(pair: Path, size: int) -> None:
    loaded = load(str(pair / "fine-tuned"))
    guard = NoRepeat.of(loaded.tokenizer, size)
    evaluated = greedy_answers(loaded.model, PROMPTS, -1, 60, guard)
    assert evaluated != greedy_answers(loaded.model, PROMPTS, -1, 60), "it does repeat itself"
    # No end, so that no answer ends.
    served = made_here(
        loaded_for_service(pair / "fine-tuned"), PROMPTS, Decoding(60, no_repeat_ngram_size=size)
    )
    assert served == evaluated
