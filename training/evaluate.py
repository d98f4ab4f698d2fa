"""`python -m training evaluate`: base, fine-tuned model and two baselines on held-out questions.

Written beside the model, or to --out:
    metrics.json     every figure with its 95% interval, and what it was measured on
    samples.jsonl    twenty questions, chosen by rule, with every system's answer, one a line
    report.html      both, with learning curves, on one page that needs no other file
    README.md        the model card

The same model, data and machine give the same files.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.arguments import positive
from training.errors import DataError
from training.evaluation.figures import figures
from training.evaluation.grounded import fact_figures, passages_by_bm25
from training.evaluation.loaded_model import Loaded, load, load_fine_tuned, shares_vocabulary
from training.evaluation.questions import (
    SPLITS,
    Questions,
    drawn,
    present,
    questions,
    read_table,
    training_rows,
)
from training.evaluation.samples import chosen, sample
from training.evaluation.systems import Baselines, Sheet, generated, predicted
from training.files import make_directory
from training.prompt import reads
from training.provenance import base_name, provenance
from training.reading.mixture import Published, published
from training.report.publish import publish, training_record

MAX_NEW_TOKENS = 512
BASE_ANSWERS = 100
SAMPLES = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is asked of the systems."""

    splits: Sequence[str] = ()
    """None named: all that the data have."""
    limit: int | None = None
    max_new_tokens: int = MAX_NEW_TOKENS
    base_answers: int = BASE_ANSWERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--model", type=Path, required=True, help="the fine-tuned directory")
    parser.add_argument("--base", required=True, help="hub id or directory of its base")
    parser.add_argument("--base-revision", help="commit, tag or branch of a base on the hub")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--out", type=Path, help="where to write (default: the model's directory)")
    parser.add_argument(
        "--split",
        action="append",
        choices=SPLITS,
        help="only this one; may be given several times (default: all)",
    )
    parser.add_argument("--limit", type=positive, help="only so many rows of each split")
    parser.add_argument(
        "--max-new-tokens", type=positive, default=MAX_NEW_TOKENS, help="limit of an answer"
    )
    parser.add_argument(
        "--base-answers",
        type=positive,
        default=BASE_ANSWERS,
        help="questions of each split that the base, and the fine-tuned model without its guard, "
        "answer: most of these answers run to the limit, and take the longest",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.out:
        make_directory(arguments.out)  # now, not after a quarter of an hour
    found, samples = evaluate(
        arguments.model,
        arguments.base,
        arguments.data,
        Extent(
            tuple(dict.fromkeys(arguments.split or ())),
            arguments.limit,
            arguments.max_new_tokens,
            arguments.base_answers,
        ),
        base_revision=arguments.base_revision,
    )
    page = publish(arguments.model, arguments.base, found, samples, arguments.out)
    print(page)
    return 0


def evaluate(
    model: Path,
    base: str,
    data: Path,
    extent: Extent = Extent(),
    *,
    base_revision: str | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return all figures, and twenty samples from the first split.

    Raises:
        TrainingError: a model or the data cannot be read or used.
    """
    table = read_table(data)
    fine_tuned, untuned = load_fine_tuned(model), load(base, base_revision)
    shared = shares_vocabulary(fine_tuned, untuned)
    if not shared:
        logger.warning("%s was not fine-tuned from %s: their vocabularies differ", model, base)
    recipe = training_record(model).get("recipe", {})
    trained = training_rows(table, recipe.get("finetuning", {}).get("rows", "train"))
    if not trained.any():
        raise DataError(f"{data / 'medquad.csv'} has no training rows, which the baselines need")
    examination = Examination(
        fine_tuned,
        untuned,
        Baselines(table[trained]),
        published(table),
        published(table[trained]),
        extent,
    )
    fits = [fine_tuned.has_room(text) and untuned.has_room(text) for text in table["QuestionClean"]]
    splits: dict[str, Any] = {}
    samples: list[dict[str, Any]] = []
    for name in extent.splits or present(table):
        logger.info("%s", name)
        split = questions(table[fits], name, trained, extent.limit)
        sheets, shown = examination.take(split, 0 if splits else SAMPLES)
        splits[name] = figures(split, sheets)
        samples += [{"split": name} | sample(split.asked[at], at, sheets) for at in shown]
    record = {
        "model": model.resolve().name,
        "base": {"name": base_name(base, model), "revision": base_revision},
        "shared_vocabulary": shared,
        **_conditions(fine_tuned, untuned, extent),
        **provenance(data / "medquad.csv"),
    }
    if reads(fine_tuned.tokenizer):
        record["facts"] = fact_figures(fine_tuned, table)
    return record | {"splits": splits}, samples


def _conditions(fine_tuned: Loaded, base: Loaded, extent: Extent) -> dict[str, Any]:
    """Return what is recorded of how the models were asked."""
    return {
        "parameters": {
            "fine_tuned": fine_tuned.model.num_parameters(),
            "base": base.model.num_parameters(),
        },
        "decoding": {
            "strategy": "greedy",
            "dtype": "float32",
            "max_new_tokens": extent.max_new_tokens,
            "no_repeat_ngram_size": {
                "fine_tuned": fine_tuned.no_repeat_ngram_size,
                "base": base.no_repeat_ngram_size,
            },
        },
        "limit_rows": extent.limit,
        "device": fine_tuned.model.device.type,
    }


@dataclass(frozen=True, slots=True)
class Examination:
    """Who is examined, and how far."""

    fine_tuned: Loaded
    base: Loaded
    baselines: Baselines
    published: Sequence[Published]
    """What the model may read: all of it, test rows too, as whoever asks finds it."""
    trained: Sequence[Published]
    """The training rows of it."""
    extent: Extent

    def take(self, split: Questions, samples: int) -> tuple[dict[str, Sheet], list[int]]:
        """Return every system's work on a split, and the places of so many samples of it.

        The base answers the samples too; only its answers to the questions drawn count.
        """
        everything = range(len(split.asked))
        some = drawn(split.asked, self.extent.base_answers)
        guard = self.fine_tuned.no_repeat_ngram_size
        fine_tuned = self._sheet(
            self.fine_tuned, split, "fine-tuned", everything, everything, guard
        )
        shown = chosen(split.asked, fine_tuned.scores, samples)
        answered = sorted({*some, *shown})
        base_guard = self.base.no_repeat_ngram_size
        sheets = {
            "base": self._sheet(self.base, split, "base", answered, some, base_guard),
            "fine_tuned": fine_tuned,
        }
        if guard:
            sheets["unguarded"] = self._sheet(self.fine_tuned, split, "unguarded", some, some, 0)
        if reads(self.fine_tuned.tokenizer):
            sheets["reading"] = self._reading(split, "reading", self.published)
            sheets["reading_others"] = self._reading(split, "reading_others", self.trained)
        return sheets | self.baselines.sheets(split), shown

    def _reading(self, split: Questions, label: str, published: Sequence[Published]) -> Sheet:
        """Return the model's work with the passage that retrieval puts first."""
        asked = [question.text for question in split.asked]
        found = passages_by_bm25(published, asked, self.fine_tuned)
        every = range(len(asked))
        guard, limit = self.fine_tuned.no_repeat_ngram_size, self.extent.max_new_tokens
        answers = generated(self.fine_tuned, split.asked, every, guard, limit, label, found)
        return Sheet(answers, self.baselines.scores(split.asked, answers, label), every)

    def _sheet(
        self,
        loaded: Loaded,
        split: Questions,
        label: str,
        places: Sequence[int],
        counted: Sequence[int],
        guard: int,
    ) -> Sheet:
        models = (self.fine_tuned, self.base)
        table = None if label == "unguarded" else predicted(loaded, split.rows, models, label)
        limit = self.extent.max_new_tokens
        answers = generated(loaded, split.asked, places, guard, limit, label)
        return Sheet(answers, self.baselines.scores(split.asked, answers, label), counted, table)
