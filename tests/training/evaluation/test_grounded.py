"""What stands before a question: nothing, the right passage, wrong ones that state another fact."""

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from transformers import PreTrainedTokenizerBase

from tests.training.conftest import COLUMNS
from training.evaluation import grounded
from training.evaluation.grounded import CONDITIONS, excerpt, fact_figures, passages_by_bm25
from training.prompt import NOT_FOUND
from training.reading.mixture import Published

_GENE = re.compile(r"the (\w+) gene")
_TOPIC = re.compile(r"<context>About ([^:]*):")


def table(topics: int = 9) -> pd.DataFrame:
    """Return rows on topics with a gene of their own, and two groups that share one."""
    rows = []
    for number in range(topics):
        gene = f"GEN{max(number, 1)}"  # the first two topics have the same
        topic = f"Wheeze type {number}"
        answer = f"Changes in the {gene} gene cause it."
        split = "test_unseen" if number % 3 == 0 else "train"
        rows.append(
            [f"Gene of {topic}?", answer, "genetic changes", topic, "GHR", "1", topic, split, ""]
        )
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def asked(
    reading_tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    """By condition the prompts of a model that answers with the first passage it reads."""
    prompts: dict[str, list[str]] = {}

    def copying(_: Any, given: Sequence[list[int]], label: str) -> list[str]:
        texts = [str(reading_tokenizer.decode(ids)) for ids in given]
        prompts[label] = texts
        read = (re.findall(r"<context>About [^:]*: ([^<]*)", text) for text in texts)
        return [passages[0] if passages else NOT_FOUND for passages in read]

    monkeypatch.setattr(grounded, "grounded_answers", copying)
    return prompts


@pytest.fixture
def loaded(reading_tokenizer: PreTrainedTokenizerBase) -> Any:
    return SimpleNamespace(tokenizer=reading_tokenizer)


def test_a_model_that_copies_what_it_reads_is_right_where_that_is(
    loaded: Any, asked: dict[str, list[str]]
) -> None:
    found = fact_figures(loaded, table())["gene"]
    assert {split: found[split]["right"]["questions"] for split in found} == {
        "train": 6,
        "test_unseen": 3,
    }
    for conditions in found.values():
        assert conditions.keys() == CONDITIONS.keys()
        values = {
            name: {key: each[key]["value"] for key in each if key != "questions"}
            for name, each in conditions.items()
        }
        wrong = {"right": 0.0, "another": 1.0, "from_wrong_passage": 1.0, "not_found": 0.0}
        assert values["closed_book"] == {
            "right": 0.0,
            "another": 0.0,
            "from_wrong_passage": 0.0,
            "not_found": 1.0,
        }
        assert values["right"] == {key: float(key == "right") for key in wrong}
        assert values["only_wrong"] == wrong
        assert values["among_wrong"]["right"] == pytest.approx(1 / 3)
        assert values["among_wrong"]["from_wrong_passage"] == pytest.approx(2 / 3)
        interval = conditions["right"]["right"]
        assert interval["low"] < interval["value"] <= interval["high"]


def test_wrong_passages_are_three_others_with_another_fact(
    loaded: Any, asked: dict[str, list[str]]
) -> None:
    fact_figures(loaded, table())
    places = []
    for text in asked["gene, train, only_wrong"] + asked["gene, test_unseen, only_wrong"]:
        number = re.findall(r"Gene of Wheeze type (\d)", text)[0]
        assert len(_TOPIC.findall(text)) == len(set(_TOPIC.findall(text))) == 3
        read = _GENE.findall(text)
        assert f"GEN{max(int(number), 1)}" not in read
    for text in asked["gene, train, among_wrong"]:
        number = re.findall(r"Gene of Wheeze type (\d)", text)[0]
        read = _GENE.findall(text)
        assert len(read) == 3
        places.append(read.index(f"GEN{max(int(number), 1)}"))
    assert sorted(places) == [0, 0, 1, 1, 2, 2]
    assert not any("<context>" in text for text in asked["gene, train, closed_book"])


def test_few_wrong_ones_are_not_taken_twice(loaded: Any, asked: dict[str, list[str]]) -> None:
    fact_figures(loaded, table(4))
    for text in asked["gene, train, only_wrong"]:
        assert len(set(_TOPIC.findall(text))) == len(_TOPIC.findall(text)) >= 2


def test_data_without_such_facts_have_no_figures(loaded: Any, asked: dict[str, list[str]]) -> None:
    other = table().assign(Source="NIH")
    assert fact_figures(loaded, other) == {"gene": {}, "inheritance": {}}
    assert not asked


def published(topic: str, answer: str) -> Published:
    return Published(f"What is {topic}?", answer, topic, topic, "information", "X")


def test_an_excerpt_is_as_many_first_sentences_as_fit(loaded: Any) -> None:
    parts = [f"Sentence {number} hurts." for number in range(200)]
    text = excerpt(published("Gout", " ".join(parts)), loaded)
    kept = text.removeprefix("About Gout: ")
    number = kept.count("hurts.")
    assert kept == " ".join(parts[:number])
    tokens = [len(loaded.tokenizer.encode(part)) for part in parts]
    assert sum(tokens[:number]) <= grounded.PASSAGE_TOKENS < sum(tokens[: number + 1])


def test_the_nearest_question_gives_the_passage(loaded: Any) -> None:
    rows = [
        published("gout", "It hurts."),
        published("scurvy", "A lack."),
        published("pox", "Spots."),
    ]
    found = passages_by_bm25(rows, ["Tell me of scurvy", "what is gout"], loaded)
    assert found == {0: "About scurvy: A lack.", 1: "About gout: It hurts."}
