"""A card is what the Hub reads, names whose data it is, and says what the model is not for."""

import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.training.conftest import PAIRS, write_table
from training.evaluate import Extent, evaluate
from training.report.limits import LIMITS, NOT_FOR
from training.report.model_card import base_card, fine_tuned_card

RECORD: dict[str, Any] = {
    "recipe": {
        "name": "full",
        "finetuning": {"rows": "train", "no_repeat_ngram_size": 6},
        "pretraining": {
            "layers": 2,
            "width": 32,
            "context_tokens": 128,
            "vocabulary_tokens": 400,
            "blocks": 1000,
            "block_tokens": 16,
            "validation_blocks": 4,
        },
    },
    "base": "openai-community/gpt2",
    "parameters": 124_439_808,
    "examples": {"train": 13_000, "valid": 600},
    "versions": {"torch": "2.13.0"},
    "revision": "0123456789abcdef",
    "data": {"file": "medquad.csv", "sha256": "abc"},
    "heldout": {"eval_loss": 4.25},
}
SOURCES = [{"repo": "ada/tales", "commit": "0123456789abcdef"}]


def header(card: str) -> Any:
    """What the Hub reads of a card."""
    return ModelCard(card).data


@pytest.fixture(scope="module")
def figures(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    test = {f"What is number {number}?": f"The {number}th thing." for number in range(4)}
    splits = {"train": PAIRS, "test_unseen": test}
    data = write_table(tmp_path_factory.mktemp("card") / "data", splits)
    extent = Extent(("test_unseen", "random"), max_new_tokens=8)
    return evaluate(pair / "fine-tuned", str(pair / "base"), data, extent)[0]


def test_the_hub_reads_the_figures(figures: dict[str, Any]) -> None:
    data = header(fine_tuned_card("gpt2-medquad", RECORD, figures))
    assert data.license == "cc-by-4.0"
    assert data.base_model == "openai-community/gpt2"
    assert data.model_name == "gpt2-medquad"
    results = {
        (result.dataset_split, result.metric_name): result.metric_value
        for result in data.eval_results or []
    }
    measured = figures["splits"]["test_unseen"]["systems"]["fine_tuned"]
    for name, key in (("Bits per byte", "bits_per_byte"), ("ROUGE-L", "rouge_l")):
        assert results["test_unseen", name] == pytest.approx(measured[key]["value"], abs=1e-4)
    assert ("random", "Bits per byte") in results


def test_data_licences_use_and_limits_are_named(figures: dict[str, Any]) -> None:
    for card in (fine_tuned_card("x", RECORD), fine_tuned_card("x", RECORD, figures)):
        assert "https://github.com/abachaa/MedQuAD" in card
        assert "CC BY 4.0" in card
        assert "Demner-Fushman" in card
        assert "13,000 pairs of its `train` split" in card
        assert NOT_FOR in card
        assert all(limit in card for limit in LIMITS)
        assert "124.4M" in card


def test_the_baselines_stand_beside_the_model(figures: dict[str, Any]) -> None:
    card = fine_tuned_card("x", RECORD, figures)
    assert "| Metric | Base | Fine-tuned | Nearest question | Canned answer |" in card
    distance = figures["splits"]["test_unseen"]["differences"]["nearest"]["rouge_l"]["value"]
    assert f"{distance:+.3f}".replace("-", "\u2212") in card


def test_before_an_evaluation_there_are_no_figures() -> None:
    card = fine_tuned_card("x", RECORD)
    assert "Not measured yet" in card
    assert header(card).eval_results is None
    assert "says no sequence of\n6 tokens twice" in card


def test_a_model_of_unknown_training_has_a_card_too(figures: dict[str, Any]) -> None:
    card = fine_tuned_card("x", {}, figures)
    assert "How it was trained is not recorded here" in card
    assert header(card).base_model is None


def test_the_base_is_named_on_the_hub_only_where_the_hub_has_it() -> None:
    assert "base_model: openai-community/gpt2" in fine_tuned_card(
        "x", RECORD | {"base": "openai-community/gpt2"}
    )
    card = fine_tuned_card("x", RECORD | {"base": "../base"})
    assert "`../base` fine-tuned on MedQuAD" in card
    assert "base_model:" not in card


def test_a_bases_card_names_its_sources(figures: dict[str, Any]) -> None:
    before, after = (base_card("base", RECORD, SOURCES, found) for found in (None, figures))
    for card in (before, after):
        assert "https://github.com/ada/tales at 0123456789abcdef" in card
        assert header(card).license == "cc-by-4.0"
        assert "4.250 nats per token" in card
        assert NOT_FOR in card
    assert "bits per byte" not in before
    bits = figures["splits"]["test_unseen"]["systems"]["base"]["bits_per_byte"]["value"]
    assert f"plain text:\n{bits:.3f}" in after


def test_the_example_runs(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", fine_tuned_card("x", RECORD), re.DOTALL)
    example = example.replace("PATH-OF-THIS-DIRECTORY", str(pair / "fine-tuned"))
    exec(example.replace("512", "8"), {})
    assert capsys.readouterr().out.strip()
