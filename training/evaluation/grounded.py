"""What a model makes of published passages: the right one, some wrong ones, or both.

Knows nothing about reports.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import pandas as pd
from rapidfuzz import fuzz, process
from scipy.stats import binomtest

from training.data.examples import sentences
from training.evaluation.baselines import nearest_places
from training.evaluation.batched_greedy import greedy_answers
from training.evaluation.facts import (
    TYPES,
    FactQuestion,
    fact_questions,
    is_right,
    pool,
    stated,
    states_any,
)
from training.evaluation.loaded_model import Loaded
from training.evaluation.no_repeat_ngram import NoRepeat
from training.prompt import NOT_FOUND, encode_prompt, encode_text, passage
from training.reading.mixture import Published, fitting

PASSAGE_TOKENS = 230
ANSWER_TOKENS = 256
MOST_TRAINED = 120
_WRONG_AMONG, _WRONG_ONLY = 2, 3
_NEAR = 12  # names that are looked at

CONDITIONS = {
    "closed_book": "no passage",
    "right": "the right passage alone",
    "among_wrong": "the right passage among two wrong ones, each place equally often",
    "only_wrong": "three wrong passages",
}
"""What stands before a question. Wrong ones are the answers to the same question about the topics
whose names are most alike, and state another fact."""


class Asked(NamedTuple):
    """A fact's question with the passages before it, and the facts that wrong ones state."""

    question: FactQuestion
    passages: tuple[str, ...]
    wrong_facts: frozenset[str]


def excerpt(row: Published, loaded: Loaded) -> str:
    """Return a published answer as a passage: as many first sentences as it may have tokens."""

    def length(text: str) -> int:
        return len(encode_text(text, loaded.tokenizer))

    kept = fitting(sentences(row.answer), PASSAGE_TOKENS, length)
    return passage(row.topic, " ".join(kept))


def fact_figures(loaded: Loaded, table: pd.DataFrame) -> dict[str, Any]:
    """Return for each kind of fact, topics trained on and never seen, what came of it."""
    found: dict[str, Any] = {}
    for kind in TYPES:
        wrong = _Wrong(pool(table, kind))
        found[kind] = {}
        for split, most in (("train", MOST_TRAINED), ("test_unseen", None)):
            questions = fact_questions(table, split, kind, most)
            if not questions:  # other people's data have none
                continue
            found[kind][split] = {
                name: _figures(asked, _answers(loaded, asked, f"{kind}, {split}, {name}"))
                for name, asked in _conditions(questions, wrong, loaded).items()
            }
    return found


def _conditions(
    questions: Sequence[FactQuestion], wrong: "_Wrong", loaded: Loaded
) -> dict[str, list[Asked]]:
    """Return the questions under each of `CONDITIONS`."""
    found: dict[str, list[Asked]] = defaultdict(list)
    nothing: frozenset[str] = frozenset()
    for number, question in enumerate(questions):
        right = excerpt(question.row, loaded)
        others = wrong.of(question)
        texts = [excerpt(other.row, loaded) for other in others]
        among = texts[:_WRONG_AMONG]
        among.insert(number % (_WRONG_AMONG + 1), right)
        facts = frozenset().union(*(other.published for other in others))
        found["closed_book"].append(Asked(question, (), nothing))
        found["right"].append(Asked(question, (right,), nothing))
        found["among_wrong"].append(Asked(question, tuple(among), facts))
        found["only_wrong"].append(Asked(question, tuple(texts), facts))
    return found


def _figures(asked: Sequence[Asked], answers: Sequence[str]) -> dict[str, Any]:
    pairs = list(zip(asked, answers, strict=True))
    return {
        "questions": len(pairs),
        "right": _share([is_right(each.question, text) for each, text in pairs]),
        "another": _share(
            [
                not is_right(each.question, text) and bool(stated(each.question.kind, text))
                for each, text in pairs
            ]
        ),
        "from_wrong_passage": _share(
            [states_any(each.question, text, each.wrong_facts) for each, text in pairs]
        ),
        "not_found": _share([NOT_FOUND in text for _, text in pairs]),
    }


def _share(held: Sequence[bool]) -> dict[str, float]:
    """Return a share with its 95% interval (Wilson)."""
    interval = binomtest(sum(held), len(held)).proportion_ci(method="wilson")
    return {"value": sum(held) / len(held), "low": interval.low, "high": interval.high}


def _answers(loaded: Loaded, asked: Sequence[Asked], label: str) -> list[str]:
    prompts = [
        encode_prompt(each.question.row.question, loaded.tokenizer, each.passages) for each in asked
    ]
    return grounded_answers(loaded, prompts, label)


def grounded_answers(loaded: Loaded, prompts: Sequence[list[int]], label: str) -> list[str]:
    """Return greedy answers with the model's own guard, which lets through what a prompt holds."""
    end: Any = loaded.tokenizer.eos_token_id
    guard = NoRepeat.of(loaded.tokenizer, loaded.no_repeat_ngram_size)
    found = greedy_answers(loaded.model, prompts, end, ANSWER_TOKENS, guard, label)
    return [
        str(loaded.tokenizer.decode(ids[:-1] if ids[-1] == end else ids)).strip() for ids in found
    ]


def passages_by_bm25(
    rows: Sequence[Published], asked: Sequence[str], loaded: Loaded
) -> dict[int, str]:
    """Return for each question asked, by its place, the answer to the nearest question."""
    rows = sorted(rows)
    places = nearest_places([row.question for row in rows], asked)
    return {place: excerpt(rows[near], loaded) for place, near in enumerate(places)}


class _Wrong:
    """Answers to the same question about other topics, those with the likest names first."""

    def __init__(self, every: Sequence[FactQuestion]) -> None:
        self._every = every
        self._by_topic: Mapping[str, FactQuestion] = {each.row.topic: each for each in every}

    def of(self, question: FactQuestion) -> list[FactQuestion]:
        """Return three that state no fact that is published on the question's topic."""
        near = process.extract(
            question.row.topic, self._by_topic.keys(), scorer=fuzz.token_sort_ratio, limit=_NEAR
        )
        random = Random(question.row.question)  # noqa: S311 - it fills up, and keeps no secret
        others = random.sample(list(self._every), len(self._every))
        named = [self._by_topic[topic] for topic, _, _ in near]
        return [
            other
            for other in dict.fromkeys([*named, *others])
            if other.row.group != question.row.group and not other.published & question.published
        ][:_WRONG_ONLY]
