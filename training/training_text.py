"""`python -m training training-text`: the index of training answers for a model that has none yet.

`finetune` leaves it beside each model that it makes; this is for those made before.
"""

import argparse
import json
from pathlib import Path

from transformers import AutoTokenizer

from training.errors import DataError
from training.files import write_whole
from training.trainer.training_text import FILE, training_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--model", type=Path, required=True, help="directory of the fine-tuned")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    record = arguments.model / "training.json"
    try:
        rows = json.loads(record.read_text(encoding="utf-8"))["recipe"]["finetuning"]["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{record}: it does not tell which rows the model was made of") from error
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    write_whole(arguments.model / FILE, training_text(arguments.data, rows, tokenizer))
    print(arguments.model / FILE)
    return 0
