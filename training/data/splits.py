"""Splits without leaks: whole topics are held out, and every choice is a hash of stable keys.

A random split of MedQuAD leaks: a quarter of its test rows have their question or a
near-identical answer in training. Here documents are joined into topic groups, and

    test_unseen, valid_unseen   groups that no recipe trains on
    test_seen                   one row per top-100 Focus, its question trained on nowhere
    valid_seen                  the same, but for two foci that have only two questions
    train                       the rest; `SeedRow` marks four rows per top-100 Focus
    heldout                     kept rows that would leak into a test, or that are generic
    drop                        rows that cleaning did not keep
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

import pandas as pd

from training.data.near_duplicates import near_identical_pairs

SEED_TOP = 100
SEED_TRAIN_PER_FOCUS = 4
_TEST_UNSEEN_SHARE = 0.090
_VALID_UNSEEN_SHARE = 0.050
_GENERIC_FOCI = 5
_SHARED_CUI_FOCI = 3
# 56 foci tie at ten rows for the last two of the hundred places; the seed's pandas chose these.
_SEED_TIES = ("Hearing Loss", "Tourette syndrome")


class Groups:
    """Union-find over hashable items."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def find(self, item: Hashable) -> Hashable:
        """Return the representative of an item's group."""
        root = item
        while (parent := self._parent.setdefault(root, root)) != root:
            root = parent
        while self._parent[item] != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def join(self, items: Iterable[Hashable]) -> None:
        """Put all items into one group."""
        roots = [self.find(item) for item in items]
        for root in roots[1:]:
            self._parent[root] = roots[0]


def split(cleaned: pd.DataFrame) -> pd.DataFrame:
    """Return the cleaned table with `Generic`, `GroupId`, `Split` and `SeedRow`.

    `Generic` marks answers that stand, nearly the same, under five or more foci; they are never
    tested on. All columns are text; the result does not depend on row order.
    """
    table = cleaned.reset_index(drop=True)
    kept = [index for index, keep in enumerate(table["Keep"]) if keep == "1"]
    answers = table["AnswerClean"].tolist()
    pairs = [
        (kept[left], kept[right])
        for left, right in near_identical_pairs([answers[index] for index in kept])
    ]
    clusters = _clusters(pairs)
    foci = table["FocusFixed"].map(normalise).tolist()
    generic = {
        row
        for members in clusters
        if len({foci[row] for row in members}) >= _GENERIC_FOCI
        for row in members
    }
    near = [pair for pair in pairs if pair[0] not in generic]
    table["Generic"] = ["1" if row in generic else "" for row in range(len(table))]
    table["GroupId"] = _group_ids(table, foci, near)
    top = top_foci(table)
    table["Split"] = _assign(table, clusters, top)
    table["SeedRow"] = ""
    for _, rows in _top_rows(table, top, table["Split"] == "train"):
        table.loc[rows[:SEED_TRAIN_PER_FOCUS], "SeedRow"] = "train"
    table.loc[table["Split"] == "valid_seen", "SeedRow"] = "valid"
    return table


def top_foci(table: pd.DataFrame) -> list[str]:
    """Return the seed's hundred most frequent foci, counted as the seed counted them.

    It filled missing foci with the mode, which changes no place in the list, and dropped
    repeated (Question, Answer) pairs. Ties at the last place are broken by the seed's own result
    where those foci are present, else by name.
    """
    seed = table[(table["LowerCaseSchema"] == "") & (table["Focus"] != "")]
    counts = seed.drop_duplicates(["Question", "Answer"])["Focus"].value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0] not in _SEED_TIES, item[0]))
    return [str(focus) for focus, _ in ranked[:SEED_TOP]]


def normalise(text: str) -> str:
    """Return a text's words, lower-case, so that case and punctuation make no difference."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _clusters(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected sets of near-identical rows."""
    groups = Groups()
    rows: set[int] = set()
    for pair in pairs:
        groups.join(pair)
        rows.update(pair)
    clusters: dict[Hashable, list[int]] = defaultdict(list)
    for row in sorted(rows):
        clusters[groups.find(row)].append(row)
    return list(clusters.values())


def _group_ids(
    table: pd.DataFrame, foci: Sequence[str], near: Iterable[tuple[int, int]]
) -> list[str]:
    """Join foci that are one topic; return each row's group, named by a hash of its first focus."""
    # Rows without a focus are one topic with their document; a CSV's, which names none, together.
    topics = [
        focus or f"{collection}/{file}"
        for focus, collection, file in zip(foci, table["Collection"], table["File"], strict=True)
    ]
    known = set(topics)
    groups = Groups()
    by_cui: dict[str, set[str]] = defaultdict(set)
    for topic, synonyms, cuis in zip(topics, table["Synonyms"], table["AllCUIs"], strict=True):
        names = {normalise(name) for name in synonyms.split("|")} & known
        groups.join([topic, *sorted(names)])
        for cui in filter(None, cuis.split("|")):
            by_cui[cui].add(topic)
    for sharing in by_cui.values():
        if len(sharing) <= _SHARED_CUI_FOCI:
            groups.join(sorted(sharing))
    for left, right in near:
        groups.join([topics[left], topics[right]])
    first: dict[Hashable, str] = {}
    for topic in sorted(known):
        first.setdefault(groups.find(topic), topic)
    return [f"g{_hash(first[groups.find(topic)])[:10]}" for topic in topics]


def _assign(table: pd.DataFrame, clusters: list[list[int]], top: list[str]) -> list[str]:
    """Return each row's split."""
    top_groups = set(table.loc[table["FocusFixed"].isin(top), "GroupId"])
    splits = [
        _group_split(group, group in top_groups) if keep == "1" else "drop"
        for keep, group in zip(table["Keep"], table["GroupId"], strict=True)
    ]
    is_generic = (table["Generic"] == "1").tolist()
    splits = [
        "heldout" if generic and found in ("test_unseen", "valid_unseen") else found
        for found, generic in zip(splits, is_generic, strict=True)
    ]
    same_question = _same(enumerate(table["QuestionClean"].map(normalise)))
    same_answer = _same((row, str(members)) for members in clusters for row in members)

    def leaks(row: int) -> set[int]:
        return same_question(row) | same_answer(row)

    eligible = (pd.Series(splits, index=table.index) == "train") & (table["Generic"] != "1")
    for _, rows in _top_rows(table, top, eligible):
        # The rows that would hold out the fewest others come first; the hash decides the rest.
        rows.sort(key=lambda row: len(leaks(row)))
        for name in ("test_seen", "valid_seen"):
            row = next((row for row in rows if splits[row] == "train"), None)
            if row is None:
                break
            splits[row] = name
            left = sum(splits[other] == "train" and other not in leaks(row) for other in rows)
            # Two foci have but two questions: there, validation shares one with training.
            spared = name == "valid_seen" and left < SEED_TRAIN_PER_FOCUS
            _hold_out(same_answer(row) if spared else leaks(row), splits)
    for row, found in enumerate(splits):
        if found.endswith("_unseen"):
            _hold_out(leaks(row), splits)
    return splits


def _hold_out(rows: Iterable[int], splits: list[str]) -> None:
    for row in rows:
        if splits[row] == "train":
            splits[row] = "heldout"


def _group_split(group: str, trained_by_seed: bool) -> str:
    """Return where a topic group goes; one with a top-100 Focus is trained on by `seed`."""
    place = int(_hash(f"split {group}")[:8], 16) / 2**32
    if trained_by_seed or place >= _TEST_UNSEEN_SHARE + _VALID_UNSEEN_SHARE:
        return "train"
    return "test_unseen" if place < _TEST_UNSEEN_SHARE else "valid_unseen"


def _same(labels: Iterable[tuple[int, str]]) -> Callable[[int], set[int]]:
    """Return a function from a row to the other rows with its label."""
    label_of = dict(labels)
    rows_with: dict[str, set[int]] = defaultdict(set)
    for row, label in label_of.items():
        rows_with[label].add(row)
    return lambda row: rows_with[label_of[row]] - {row} if row in label_of else set()


def _top_rows(
    table: pd.DataFrame, top: list[str], eligible: "pd.Series[bool]"
) -> list[tuple[str, list[int]]]:
    """Return each top focus with its eligible rows, ordered by a hash of their text."""
    rows_by_focus: dict[str, list[int]] = {focus: [] for focus in top}
    for row, (focus, fits) in enumerate(zip(table["FocusFixed"], eligible, strict=True)):
        if fits and focus in rows_by_focus:
            rows_by_focus[focus].append(row)
    keys = (table["QuestionClean"] + "\0" + table["AnswerClean"]).map(_hash)
    return [
        (focus, sorted(rows, key=lambda row: keys[row])) for focus, rows in rows_by_focus.items()
    ]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
