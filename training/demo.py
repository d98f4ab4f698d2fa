"""`python -m training demo`: the embedded pair from nothing, and its cards.

Tokenizer and base from general English, the fine-tuned model from that base on MedQuAD's train
split, figures on test_unseen. An interrupted run goes on where it stopped when started again.
"""

import argparse
import json
from pathlib import Path

from training import card
from training import recipe as recipes
from training.evaluate import evaluate
from training.finetune import finetune
from training.pretrain import pretrain


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
        required=True,
        help="the corpus's sources: a JSON list with repo and commit, for the card",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--out", type=Path, default=Path("models/demo"))


def run(arguments: argparse.Namespace) -> int:
    """Run the command; steps whose result is there already are skipped."""
    recipe = recipes.load(arguments.recipe)
    out: Path = arguments.out
    base, fine_tuned = out / "base", out / "fine-tuned"
    if not base.is_dir():
        pretrain(recipe, arguments.corpus, base, out / ".base-checkpoints")
    if not fine_tuned.is_dir():
        work = out / ".fine-tuned-checkpoints"
        finetune(recipe, arguments.data, str(base), fine_tuned, resume=work.is_dir())
    figures = evaluate(fine_tuned, str(base), arguments.data)
    (fine_tuned / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n")
    sources = json.loads(arguments.attribution.read_text(encoding="utf-8"))
    card.write_pair(base, fine_tuned, recipe, figures, sources)
    print(json.dumps(figures, indent=2))
    return 0
