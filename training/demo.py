"""`python -m training demo`: the embedded pair from nothing, and its cards.

Tokenizer and base from general English, the fine-tuned model from that base on MedQuAD's train
split, which then learns to read published passages; figures on test_unseen. An interrupted run
goes on where it stopped when started again.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from training import recipe as recipes
from training.errors import DataError
from training.evaluate import evaluate
from training.evaluation.questions import read_table
from training.files import write_whole
from training.finetune import finetune
from training.reading.stage import has_learned_to_read, is_reading, learn_to_read
from training.report.model_card import base_card
from training.report.publish import publish, training_record
from training.trainer.checkpoints import checkpoints_of, has_checkpoint
from training.trainer.pretrain import pretrain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--recipe", default="demo", help="demo, or a YAML file")
    parser.add_argument(
        "--corpus",
        type=Path,
        required=True,
        help="general English: JSON lines (.jsonl or .jsonl.gz) with book, module and text",
    )
    parser.add_argument(
        "--attribution",
        type=Path,
        help="the corpus's sources, for the cards: a JSON list with repo and commit "
        "(default: NAME-sources.json beside NAME.jsonl.gz)",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--out", type=Path, default=Path("models/demo"))


def run(arguments: argparse.Namespace) -> int:
    """Run the command; steps whose result is there already are skipped."""
    recipe = recipes.load(arguments.recipe)
    sources = read_sources(arguments.attribution or _beside(arguments.corpus))
    base, fine_tuned = arguments.out / "base", arguments.out / "fine-tuned"
    if not (fine_tuned / "metrics.json").is_file():
        read_table(arguments.data)  # it is wanted last, and what comes before takes hours
    if not base.is_dir():
        pretrain(recipe, arguments.corpus, sources, base, checkpoints_of(base))
        shutil.rmtree(checkpoints_of(base), ignore_errors=True)
        shutil.rmtree(fine_tuned, ignore_errors=True)  # it came from another base
    if not fine_tuned.is_dir():
        finetune(
            recipe,
            arguments.data,
            str(base),
            fine_tuned,
            resume=has_checkpoint(checkpoints_of(fine_tuned)),
        )
    if recipe.reading and not has_learned_to_read(fine_tuned):
        learn_to_read(recipe, arguments.data, fine_tuned, resume=is_reading(fine_tuned))
    if not (fine_tuned / "metrics.json").is_file():
        figures, samples = evaluate(fine_tuned, str(base), arguments.data)
        publish(fine_tuned, str(base), figures, samples)
    metrics = fine_tuned / "metrics.json"
    try:
        figures = json.loads(metrics.read_text(encoding="utf-8"))
        card = base_card(base.name, training_record(base), sources, figures)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{metrics} or {base / 'training.json'} is damaged ({error!r}): copy it again, or "
            f"remove {arguments.out} to start anew"
        ) from error
    write_whole(base / "README.md", card.encode())
    print(fine_tuned / "report.html")
    return 0


def read_sources(path: Path) -> list[dict[str, Any]]:
    """Return the corpus's sources: who must be named for its texts.

    Raises:
        DataError: the list is missing or is not one.

    """
    try:
        sources: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        if not sources or not all(source["repo"] and source["commit"] for source in sources):
            raise ValueError
    except OSError as error:
        raise DataError(f"{path}: no such list of sources; the cards must name them") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a JSON list of objects with repo and commit") from error
    return sources


def _beside(corpus: Path) -> Path:
    return corpus.with_name(f"{corpus.name.split('.')[0]}-sources.json")
