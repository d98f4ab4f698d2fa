"""Greedy answers in a batch are those of `generate()`."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import CONTEXT_TOKENS
from training.evaluation.batched_greedy import greedy_answers
from training.evaluation.loaded_model import load

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
    monkeypatch.setattr("training.evaluation.batched_greedy._BATCH", 4)
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
