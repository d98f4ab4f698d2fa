"""`python -m training COMMAND`: data, models, the index of references, and what they are worth."""

import argparse
import importlib
import logging
import sys
from typing import Any

from training.errors import TrainingError

COMMANDS = {
    "prepare": "MedQuAD in, tables and texts out",
    "explore": "tables and plots of what was prepared",
    "finetune": "teach a base GPT-2 to answer",
    "evaluate": "base against fine-tuned on held-out questions",
    "evaluate-served": "hold a running service's answers to facts",
    "demo": "make the embedded pair from nothing",
    "training-text": "index the answers a model learned from",
    "index": "MedQuAD in, an index of its published answers out",
    "evaluate-references": "ask a service for references and judge what it finds",
    "red-flags": "teach the classifier that flags what no rule foresaw",
}


def _module(command: str) -> Any:
    return importlib.import_module(f"training.{command.replace('-', '_')}")


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit status: 2 for a mistake told in one line, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = (argv if argv is not None else sys.argv[1:])[:1]
    for name, summary in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary, description=summary)
        if [name] == chosen:  # importing torch for every command's help would take seconds
            _module(name).add_arguments(subparser)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        status: int = _module(arguments.command).run(arguments)
    except (TrainingError, OSError) as error:  # of the latter, what no command expects
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(str(interruption) or "stopped", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
