"""What answers the questions: both models, and two baselines; each one's answers with their sums.

Knows nothing about intervals or reports.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm import tqdm

from training.data.examples import Pair
from training.evaluation.baselines import canned_answers, nearest_answers
from training.evaluation.batched_greedy import greedy_answers
from training.evaluation.likelihood import information, shared_span
from training.evaluation.loaded_model import Loaded
from training.evaluation.longest_span import TrainingText
from training.evaluation.metrics import Metric
from training.evaluation.no_repeat_ngram import NoRepeat
from training.evaluation.questions import Question, Questions
from training.evaluation.scores import Answer, score
from training.prompt import END, encode_prompt

SYSTEMS = {
    "base": "Base",
    "fine_tuned": "Fine-tuned",
    "unguarded": "Fine-tuned, unguarded",
    "reading": "Fine-tuned, reading",
    "reading_others": "Reading, without its own row",
    "nearest": "Nearest question",
    "canned": "Canned answer",
}
"""The systems, as a person reads their names."""

WHAT = {
    "base": "the model before fine-tuning, at its own default decoding",
    "fine_tuned": "the model, at its own default decoding",
    "unguarded": "the model without its guard against repetition",
    "reading": "the model with a passage to read: the published answer to the question that is "
    "nearest by BM25 among all, its own among them, as people meet it; at most 230 tokens of it",
    "reading_others": "the same among training questions alone, so that its own is not found",
    "nearest": "no model: the answer to the training question that is nearest by BM25",
    "canned": "no model: one training answer for each question type, the most central one; it is "
    "told the type",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One system's work on a split.

    `answers` are by the question's place, as are the rows of `scores`. Those at the places in
    `counted` count in figures; others are for show. A model also has `information`, a row for
    each published answer. Both tables have `Group`, `QuestionType` and `Source`.
    """

    answers: Mapping[int, Answer]
    scores: pd.DataFrame
    counted: Sequence[int]
    information: pd.DataFrame | None = None

    def sums(self, metric: Metric) -> pd.DataFrame | None:
        """Return the rows that a metric is made of; None where this system has none."""
        for table in (self.information, self.scores.loc[list(self.counted)]):
            if table is not None and set(metric.sums) <= set(table.columns):
                return table
        return None


class Baselines:
    """The two systems that know only the training rows."""

    def __init__(self, training: pd.DataFrame) -> None:
        self._questions = training["QuestionClean"].tolist()
        self._answers = training["AnswerClean"].tolist()
        self._canned = canned_answers(training["QuestionType"].tolist(), self._answers)
        self._text = TrainingText(self._answers, training["GroupId"].astype(str).tolist())

    def sheets(self, split: Questions) -> dict[str, Sheet]:
        """Return both systems' work on a split."""
        asked = split.asked
        near = nearest_answers(
            self._questions, self._answers, [question.text for question in asked]
        )
        canned = [self._canned.get(question.type, self._canned[""]) for question in asked]
        return {
            name: Sheet(answers, self.scores(asked, answers, name), range(len(asked)))
            for name, texts in (("nearest", near), ("canned", canned))
            for answers in [{place: Answer(text) for place, text in enumerate(texts)}]
        }

    def scores(
        self, asked: Sequence[Question], answers: Mapping[int, Answer], label: str
    ) -> pd.DataFrame:
        """Return a table of any system's answers, scored."""
        progress = tqdm(answers.items(), desc=f"scores, {label}", unit="answer")
        return pd.DataFrame(
            [
                {"Group": question.group, "QuestionType": question.type, "Source": question.source}
                | score(answer, question.references, self._text)
                for place, answer in progress
                for question in [asked[place]]
            ],
            index=list(answers),
        )


def predicted(
    loaded: Loaded, rows: pd.DataFrame, models: Sequence[Loaded], label: str
) -> pd.DataFrame:
    """Return what a model makes of the published answers, a row each."""
    pairs = [Pair(*pair) for pair in zip(rows["QuestionClean"], rows["AnswerClean"], strict=True)]
    pairs = shared_span(pairs, models)
    return pd.DataFrame(
        {
            "Group": rows["GroupId"].to_numpy(),
            "QuestionType": rows["QuestionType"].to_numpy(),
            "Source": rows["Source"].to_numpy(),
            "bytes": [float(len(pair.answer.encode())) for pair in pairs],
            **pd.DataFrame(information(loaded, pairs, label), dtype=float),
        }
    )


def generated(
    loaded: Loaded,
    asked: Sequence[Question],
    places: Iterable[int],
    guard: int,
    max_new_tokens: int,
    label: str,
    passages: Mapping[int, str] | None = None,
) -> dict[int, Answer]:
    """Return a model's greedy answers to the questions at some places, with `passages` to read.

    A base, which has no token for it, ends its answer where it spells `<end>`, as it does when it
    is served.
    """
    end: Any = loaded.tokenizer.eos_token_id
    places = list(places)
    prompts = [
        encode_prompt(
            asked[place].text, loaded.tokenizer, [passages[place]] if passages is not None else ()
        )
        for place in places
    ]
    no_repeat = NoRepeat.of(loaded.tokenizer, guard)
    found = greedy_answers(loaded.model, prompts, end, max_new_tokens, no_repeat, label)
    return {place: _answer(ids, end, loaded) for place, ids in zip(places, found, strict=True)}


def _answer(ids: list[int], end: int, loaded: Loaded) -> Answer:
    ended = ids[-1] == end
    decoded: Any = loaded.tokenizer.decode(ids[:-1] if ended else ids)
    text, spelled, _ = decoded.partition(END)
    return Answer(text.strip(), ended or bool(spelled))
