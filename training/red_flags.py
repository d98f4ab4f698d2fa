"""`python -m training red-flags`: messages in, the classifier out that flags what no rule foresaw.

It learns from the templates and messages in training/classifier/messages and from the files that
--messages names, never from MedQuAD's questions.
"""

import argparse
import json
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from training.classifier.message_templates import drawn, lines_of, misspelled, read_slots
from training.classifier.model import KINDS, THRESHOLD, Message, fitted
from training.errors import DataError

OWN = Path(__file__).parent / "classifier" / "messages"
_DRAWN = 45  # messages of a template at most
_SHORT_WEIGHT = 2.0
_REAL_WEIGHT = 3.0
_OPENED, _ENDED, _MISSPELLED = 0.5, 0.4, 0.2  # shares of what is drawn

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--messages",
        type=Path,
        nargs="*",
        default=[],
        help="more to learn from: JSON lines of a text and its kind or null",
    )
    parser.add_argument(
        "--judge", type=Path, nargs="*", default=[], help="such files to judge by, not learned from"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("app/red_flags/classifier.npz"), metavar="NPZ"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    learned = messages(OWN, arguments.messages)
    logger.info("learning from %d messages", len(learned))
    model = fitted(learned)
    for path in arguments.judge:
        judged = list(read_messages(path))
        flagged = model.harm([text for text, _ in judged]) >= THRESHOLD
        needed = np.array([kind != "none" for _, kind in judged])
        logger.info(
            "%s: %d of %d flagged, of the harmless %d of %d",
            path.name, flagged[needed].sum(), needed.sum(), flagged[~needed].sum(), (~needed).sum(),
        )  # fmt: skip
    model.save(arguments.out)
    return 0


def messages(own: Path, more: Sequence[Path]) -> list[Message]:
    """Return what is learned from: what the templates say, and messages as they were written."""
    found = list(_from_templates(own))
    for path, weight in [(own / "short.jsonl", _SHORT_WEIGHT), *((p, _REAL_WEIGHT) for p in more)]:
        found += [
            Message(text, KINDS.index(kind), weight)
            for text, kind in dict.fromkeys(read_messages(path))
        ]
    return found


def read_messages(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line's text and kind; "none" for a harmless one.

    Raises:
        DataError: a line is no such message.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            read = json.loads(line)
            text, kind = read["text"], read["kind"] or "none"
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}:{number} is no message with a text and a kind") from error
        if kind not in KINDS:
            raise DataError(f"{path}:{number} has an unknown kind: {kind}")
        yield text, kind


def _from_templates(own: Path) -> Iterator[Message]:
    """Yield what templates say; file names tell the kind, in spanish.txt each line does."""
    slots = read_slots(own / "slots.txt")
    for path in sorted(own.glob("*.txt")):
        for line in lines_of(path) if path.stem != "slots" else ():
            if path.stem == "spanish":
                kind, template = line.split(": ", 1)
            else:
                kind, template = next(kind for kind in KINDS if path.stem.startswith(kind)), line
            said = list(drawn(template, slots, _DRAWN, seed=0))
            chance = random.Random(line)  # noqa: S311 - variety, no secret
            for text in said:
                yield Message(
                    _in_talk(text, slots, chance), KINDS.index(kind), 1 / len(said) ** 0.5
                )


def _in_talk(text: str, slots: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    """Return a text as people write it: after an opener, before a plea, with slips of the hand.

    Emergencies and the harmless get them alike, so that none tells which is which.
    """
    if chance.random() < _OPENED:
        text = f"{chance.choice(slots['opener'])} {text}"
    if chance.random() < _ENDED:
        text = f"{text} {chance.choice(slots['plea'])}"
    return misspelled(text, chance) if chance.random() < _MISSPELLED else text
