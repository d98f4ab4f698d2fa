"""Greedy answers in a batch: those of `generate()`; under the guard none repeats itself."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from training.evaluate import load
from training.greedy import greedy_answers

PROMPTS = [[5, 9, 17], [33, 8, 120, 64, 31, 7], [61] * 30]


def test_the_same_answers_as_generate(pair: Path) -> None:
    model: Any = load(str(pair / "fine-tuned"), None).model
    expected = [
        model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=20,
            do_sample=False,
            eos_token_id=-1,
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        for prompt in PROMPTS
    ]
    assert greedy_answers(model, PROMPTS, -1, 20) == expected


def test_nothing_comes_twice_under_the_guard(pair: Path) -> None:
    model: Any = load(str(pair / "fine-tuned"), None).model
    free, guarded = (greedy_answers(model, PROMPTS, -1, 60, size) for size in (0, 2))
    assert any(len(set(pairwise(answer))) < len(answer) - 1 for answer in free)
    assert all(len(set(pairwise(answer))) == len(answer) - 1 for answer in guarded)
