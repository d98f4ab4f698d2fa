"""How sure a reference is: fits the probability in app/references/calibration.json, and judges it.

Logistic regression on judged messages (good: the first reference was judged 2 or 3, or, for
everyday messages, speaks of what a note on each says) and, with less weight each, on messages made
up around the names of topics (good: the first reference is about that topic), half of them with
their topic taken out, and on messages that medicine has no answer for. Judged by cross-validation:
the judged messages of a fold are never among those fitted on.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.references import calibration
from app.references.calibration import Features, Judge
from app.references.index import References
from training.references.ranking_metrics import read_judged

Floats = NDArray[np.float64]

_MESSAGES = Path(__file__).with_name("reference_messages.toml")
_GOOD = 2  # of 3
_TOPICS = 1_500
_ROUNDS, _FOLDS = 20, 5
_MADE_UP_COUNT = 0.3  # of a made-up message about a topic, where any other has 1
_PENALTY = 3.0  # of the squared coefficients
_FLOOR = 0.28  # below it first references are wrong twice as often as right


class Labelled(NamedTuple):
    """Features (messages, features) of first references, and whether each is good."""

    features: Floats
    good: Floats
    counts: Floats
    """How much each counts in the fit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--index", type=Path, default=Path("models/references"))
    parser.add_argument("--questions", type=Path, required=True, help="judged questions")
    parser.add_argument(
        "--everyday",
        type=Path,
        nargs="+",
        required=True,
        help="messages, and what a reference must speak of",
    )
    parser.add_argument("--write", action="store_true", help="into app/references/")


def run(arguments: argparse.Namespace) -> int:
    """Print the fit and what it is worth."""
    references = References(arguments.index)
    people = _judged(references, arguments.questions)
    everyday = _everyday(references, arguments.everyday)
    judged = _together(people, everyday)
    made_up = _labelled(list(_made_up(references)), _MADE_UP_COUNT)
    elsewhere = _labelled([(found, False) for found in _elsewhere(references)])
    unlike = _together(made_up, elsewhere)
    means, spreads = unlike.features.mean(0), unlike.features.std(0)
    scaled = [
        each._replace(features=(each.features - means) / spreads)
        for each in (judged, unlike, elsewhere)
    ]
    areas = _cross_validated(scaled[0], scaled[1], len(people.good))
    *weights, intercept = _fit(scaled[0], scaled[1])
    chances = [1 / (1 + np.exp(-(each.features @ weights + intercept))) for each in scaled]
    fitted: dict[str, Any] = {
        part: dict(zip(Features._fields, np.round(values, 4).tolist(), strict=True))
        for part, values in (("means", means), ("spreads", spreads), ("weights", weights))
    }
    fitted["intercept"] = round(float(intercept), 4)
    fitted["floor"] = _FLOOR
    fitted["measured"] = {
        "judged": len(judged.good),
        "judged_good": int(judged.good.sum()),
        "made_up": len(unlike.good),
        "auc_cross_validated": {name: round(area, 3) for name, area in areas.items()},
        "auc_made_up": round(_area(chances[1], unlike.good), 3),
        "judged_mean_probability": round(float(chances[0].mean()), 3),
        "elsewhere_above_floor": int((chances[2] >= _FLOOR).sum()),
        "judged_good_below_floor": int(((chances[0] < _FLOOR) * judged.good).sum()),
        "judged_bad_below_floor": int(((chances[0] < _FLOOR) * (1 - judged.good)).sum()),
    }
    written = json.dumps(fitted, indent=1) + "\n"
    print(written)
    if arguments.write:
        Path(calibration.__file__).with_suffix(".json").write_text(written)
    return 0


def _judged(references: References, path: Path) -> Labelled:
    found = []
    for question in read_judged(path):
        row, seen = _first(references, question.message)
        good = question.scores.get(references.entry(row).id, 0) >= _GOOD
        found.append((seen, good))
    return _labelled(found)


def _everyday(references: References, paths: list[Path]) -> Labelled:
    found = []
    lines = (line for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    for line in map(json.loads, lines):
        row, seen = _first(references, line["message"])
        first = references.entry(row)
        spoken = f"{first.focus} | {first.question}"
        good = bool(line["fits"] and re.search(line["fits"], spoken, re.IGNORECASE))
        found.append((seen, good))
    return _labelled(found)


def _first(references: References, message: str, without: frozenset[int] = frozenset()) -> Any:
    """Return the first question's row and features, topics with certain names left out."""
    ranked = references.rank(message)
    if without:
        ranked.scores[references.ranking.rows_named(without)] = 0
    row = next(iter(references.nearest(ranked)), 0)
    return row, Judge(ranked, references.ranking).features(row)


def _made_up(references: References) -> Iterator[tuple[Features, bool]]:
    """Yield messages about topics drawn at random, half of them with the topic taken out."""
    random = np.random.default_rng(17)
    words = tomllib.loads(_MESSAGES.read_text(encoding="utf-8"))
    rows = random.choice(len(references), _TOPICS, replace=False)
    for place, row in enumerate(rows.tolist()):
        if not (name := _said(references.entry(row).focus, random)):
            continue
        around = random.choice(words["around"], random.choice([0, 0, 1, 2, 4]), replace=False)
        asked = str(random.choice(words["asking"])).format(name=name)
        own = frozenset(references.ranking.names_of(row).tolist())
        first, seen = _first(
            references, " ".join([asked, *around]), own if place % 2 else frozenset()
        )
        yield seen, not own.isdisjoint(references.ranking.names_of(first).tolist())


def _said(name: str, random: np.random.Generator) -> str:
    """Return a name as people write it: a word left out, letters swapped, in small letters."""
    words = name.split()
    if len(words) > 2 and random.random() < 0.3:
        words.pop(int(random.integers(len(words))))
    if words and random.random() < 0.15:
        place = int(random.integers(len(words)))
        word = words[place]
        if len(word) > 5:
            swap = int(random.integers(1, len(word) - 1))
            words[place] = word[:swap] + word[swap + 1] + word[swap] + word[swap + 2 :]
    said = " ".join(words)
    return said.lower() if random.random() < 0.5 else said


def _elsewhere(references: References) -> Iterator[Features]:
    for message in tomllib.loads(_MESSAGES.read_text(encoding="utf-8"))["elsewhere"]:
        yield _first(references, message)[1]


def _labelled(found: list[tuple[Features, bool]], count: float = 1.0) -> Labelled:
    features = np.array([seen for seen, _ in found])
    good = np.array([good for _, good in found], float)
    return Labelled(features, good, np.full(len(found), count))


def _together(*parts: Labelled) -> Labelled:
    return Labelled(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _fit(judged: Labelled, made_up: Labelled) -> Floats:
    """Return coefficients and intercept of a ridge-penalised logistic regression (IRLS)."""
    features, good, counts = _together(judged, made_up)
    design = np.column_stack([features, np.ones(len(features))])
    penalty = np.array([_PENALTY] * features.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-design @ weights))
        slopes = counts * chances * (1 - chances)
        curvature = design.T @ (design * slopes[:, None]) + np.diag(penalty)
        gradient = design.T @ (counts * (chances - good)) + penalty * weights
        weights -= np.linalg.solve(curvature, gradient)
    return weights


def _cross_validated(judged: Labelled, made_up: Labelled, people: int) -> dict[str, float]:
    """Return AUCs over held-out messages: the first `people` of them, the others, and all."""
    random = np.random.default_rng(17)
    found: dict[str, list[float]] = {"liveqa": [], "everyday": [], "together": []}
    parts = (slice(people), slice(people, None), slice(None))
    for _ in range(_ROUNDS):
        held_out = np.zeros(len(judged.good))
        for fold in np.array_split(random.permutation(len(judged.good)), _FOLDS):
            rest = Labelled(*(np.delete(part, fold, axis=0) for part in judged))
            *weights, intercept = _fit(rest, made_up)
            held_out[fold] = judged.features[fold] @ weights + intercept
        for areas, part in zip(found.values(), parts, strict=True):
            areas.append(_area(held_out[part], judged.good[part]))
    return {name: float(np.mean(areas)) for name, areas in found.items()}


def _area(values: Floats, good: Floats) -> float:
    """Return the chance that a good one is above one that is not (Mann-Whitney)."""
    differences = np.subtract.outer(values[good > 0], values[good == 0])
    return float(np.mean(differences > 0) + np.mean(differences == 0) / 2)
