"""Bits per byte equal a computation by hand; the end rate counts real ends."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import write_table
from training.errors import TrainingError
from training.evaluate import bits_per_byte, end_rate, evaluate, load
from training.examples import Pair
from training.prompt import encode_prompt, encode_text

PAIRS = [
    Pair("What is asthma?", "A disease of the airways."),
    Pair("What is a stroke?", "Blood stops flowing to the brain; é."),
    Pair("?", "Yes."),
]


@pytest.mark.parametrize("which", ["base", "fine-tuned"])
def test_bits_per_byte_of_a_padded_batch(pair: Path, which: str) -> None:
    loaded = load(str(pair / which), None)
    nats = 0.0
    for question, answer in PAIRS:
        prompt = encode_prompt(question, loaded.tokenizer)
        ids = encode_text(answer, loaded.tokenizer)
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([prompt + ids])).logits[0]
        for place, token in enumerate(ids):
            nats -= float(logits[len(prompt) + place - 1].log_softmax(-1)[token])
    expected = nats / math.log(2) / sum(len(answer.encode()) for _, answer in PAIRS)
    assert bits_per_byte(loaded, PAIRS, which) == pytest.approx(expected, rel=1e-4)


def test_the_end_rate_counts_answers_that_end(pair: Path) -> None:
    loaded = load(str(pair / "fine-tuned"), None)
    questions = [question for question, _ in PAIRS]
    prompts = [encode_prompt(question, loaded.tokenizer) for question in questions]
    room = loaded.context_tokens - max(map(len, prompts))
    expected = 0
    for ids in prompts:
        prompt = torch.tensor([ids])
        output = loaded.model.generate(  # type: ignore[operator]
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=room,
            do_sample=False,
        )
        expected += output[0, -1].item() == loaded.tokenizer.eos_token_id
    assert end_rate(loaded, questions) == expected / len(questions)


def test_a_model_that_says_only_end_always_ends(pair: Path) -> None:
    loaded = load(str(pair / "fine-tuned"), None)
    end = loaded.tokenizer.eos_token_id
    model: Any = loaded.model
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.fill_(1.0)
        model.lm_head.weight[end] = 5.0
    assert end_rate(loaded, ["a", "b"]) == 1.0


def test_answers_beyond_the_context_are_scored_as_far_as_they_fit(pair: Path, data: Path) -> None:
    table = data / "medquad.csv"
    table.write_text(
        "QuestionClean,AnswerClean,Split,SeedRow\nWhat?," + "long " * 400 + ",test_unseen,\n"
    )
    figures = evaluate(pair / "fine-tuned", str(pair / "base"), data)
    assert 0 < figures["answer_bytes"] < 2000
    assert figures["base"]["bits_per_byte"] > 0
    assert figures["pairs"] == 1


def test_batches_keep_to_their_budget_and_change_no_figure(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(str(pair / "fine-tuned"), None)
    whole = bits_per_byte(loaded, PAIRS * 4, "one batch")
    sizes = []
    loaded.model.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].numel()))
    monkeypatch.setattr("training.evaluate._BATCH_TOKENS", 100)
    assert bits_per_byte(loaded, PAIRS * 4, "many batches") == pytest.approx(whole, rel=1e-4)
    assert len(sizes) > 1
    assert max(sizes) <= 100


def test_a_question_that_fills_the_context_is_left_out(pair: Path, tmp_path: Path) -> None:
    endless = {"why " * 200: "Because."}
    data = write_table(tmp_path / "data", {"test_unseen": endless | {"Why?": "Because."}})
    figures = evaluate(pair / "fine-tuned", str(pair / "base"), data)
    assert (figures["pairs"], figures["answer_bytes"]) == (1, len("Because."))
    write_table(data, {"test_unseen": endless})
    with pytest.raises(TrainingError, match="no question leaves room"):
        evaluate(pair / "fine-tuned", str(pair / "base"), data)
