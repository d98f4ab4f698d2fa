"""Greedy answers in a batch: those of `generate()`; under the guard none repeats itself."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import NoRepeatNGramLogitsProcessor

from tests.conftest import CONTEXT_TOKENS
from training.greedy import ban_repeats, greedy_answers
from training.loaded import load

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [61] * 30]
NO_END = -1


@pytest.fixture
def model(pair: Path) -> Any:
    return load(str(pair / "fine-tuned")).model


def alone(model: Any, prompt: list[int], new_tokens: int, end: int = NO_END) -> list[int]:
    """What upstream's `generate()` answers to one prompt."""
    output = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=new_tokens,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=0,
    )
    answer: list[int] = output[0, len(prompt) :].tolist()
    return answer


def test_the_same_answers_as_generate(model: Any) -> None:
    expected = [alone(model, prompt, 20) for prompt in PROMPTS]
    assert greedy_answers(model, PROMPTS, NO_END, 20) == expected


def test_rows_that_end_leave_the_others_as_they_were(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.greedy._BATCH", 4)
    prompts = [[number, 2 * number + 1] for number in range(3, 13)]
    free = [alone(model, prompt, 40) for prompt in prompts]
    end = free[0][5]  # a token at which some stop early, and others never
    expected = [alone(model, prompt, 40, end) for prompt in prompts]
    assert len({len(answer) for answer in expected}) > 1
    assert greedy_answers(model, prompts, end, 40) == expected


def test_an_answer_stops_where_the_context_is_full(model: Any) -> None:
    prompts = [[5] * (CONTEXT_TOKENS - 3), [7, 8]]
    answers = greedy_answers(model, prompts, NO_END, 1000)
    assert [len(answer) for answer in answers] == [3, CONTEXT_TOKENS - 2]
    assert answers[0] == alone(model, prompts[0], 3)


def test_nothing_comes_twice_under_the_guard(model: Any) -> None:
    free, guarded = (greedy_answers(model, PROMPTS, NO_END, 60, size) for size in (0, 2))
    assert any(len(set(pairwise(answer))) < len(answer) - 1 for answer in free)
    for prompt, answer in zip(PROMPTS, guarded, strict=True):
        made = [pair for pair in pairwise(answer) if pair not in set(pairwise(prompt))]
        assert len(set(made)) == len(made)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 40])
def test_the_guard_bans_what_upstreams_bans(size: int, tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    answers: Any = torch.randint(0, 4, (5, tokens), generator=generator)
    logits: Any = torch.rand(5, 8, generator=generator)
    expected = NoRepeatNGramLogitsProcessor(size)(answers, logits.clone())
    ban_repeats(logits, answers[:, :0], answers, size)
    assert torch.equal(logits, expected)


def test_what_the_prompt_holds_may_come_again() -> None:
    answers = torch.tensor([[1, 2, 3, 1, 2], [1, 2, 3, 1, 2]])
    prompts = torch.tensor([[-1, 1, 2, 4], [0, 1, 2, 3]])
    logits = torch.zeros(2, 5)
    ban_repeats(logits, prompts, answers, 3)
    assert logits.isinf().tolist() == [[False, False, False, True, False], [False] * 5]
