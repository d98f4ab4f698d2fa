"""Bits per byte equal a computation by hand, whatever the batches, over the same bytes for all."""

from pathlib import Path

import pytest
import torch

from tests.conftest import CONTEXT_TOKENS
from training.data.examples import Pair
from training.errors import TrainingError
from training.evaluation.likelihood import information, shared_span
from training.evaluation.loaded_model import load
from training.prompt import encode_prompt, encode_text

PAIRS = [
    Pair("What is asthma?", "A disease of the airways."),
    Pair("What is a stroke?", "Blood stops flowing to the brain; é."),
    Pair("?", "Yes."),
]


@pytest.mark.parametrize("which", ["base", "fine-tuned"])
def test_the_information_in_each_answer_of_a_padded_batch(pair: Path, which: str) -> None:
    loaded = load(str(pair / which))
    found = information(loaded, PAIRS, which)
    for (question, answer), (nats, tokens) in zip(PAIRS, found, strict=True):
        prompt = encode_prompt(question, loaded.tokenizer)
        ids = encode_text(answer, loaded.tokenizer)
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([prompt + ids])).logits[0]
        expected = -sum(
            float(logits[len(prompt) + place - 1].log_softmax(-1)[token])
            for place, token in enumerate(ids)
        )
        assert nats == pytest.approx(expected, rel=1e-4)
        assert tokens == len(ids)


def test_batches_keep_to_their_budget_and_change_no_figure(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(str(pair / "fine-tuned"))
    whole = information(loaded, PAIRS * 4, "one batch")
    sizes = []
    loaded.model.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].numel()))
    monkeypatch.setattr(
        "training.evaluation.likelihood._BATCH_LOGITS", 100 * loaded.model.config.vocab_size
    )
    parts = information(loaded, PAIRS * 4, "many batches")
    assert [nats for nats, _ in parts] == pytest.approx([nats for nats, _ in whole], rel=1e-4)
    assert len(sizes) > 1
    assert max(sizes) <= 100


def test_an_answer_beyond_the_context_is_cut_alike_for_all(pair: Path) -> None:
    models = [load(str(pair / which)) for which in ("base", "fine-tuned")]
    (cut,) = shared_span([Pair("What?", "long " * 400)], models)
    assert 0 < len(cut.answer) < 2000
    assert ("long " * 400).startswith(cut.answer)
    for loaded in models:
        prompt = encode_prompt(cut.question, loaded.tokenizer)
        assert len(prompt) + len(encode_text(cut.answer, loaded.tokenizer)) <= CONTEXT_TOKENS


def test_a_likelihood_that_is_no_number_names_the_question(pair: Path) -> None:
    loaded = load(str(pair / "fine-tuned"))
    with torch.no_grad():
        loaded.model.get_parameter("transformer.ln_f.bias").fill_(torch.nan)
    with pytest.raises(TrainingError, match=r"fine-tuned gives the answer to 'What is asthma\?'"):
        information(loaded, PAIRS[:1], "broken")
