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

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from training.data.near_duplicates import near_identical_pairs
from training.data.topics import clusters, group_ids, normalise, stable_hash

NOTEBOOK_TOP = 100
NOTEBOOK_TRAIN_PER_FOCUS = 4
_TEST_UNSEEN_SHARE = 0.090
_VALID_UNSEEN_SHARE = 0.050
_GENERIC_FOCI = 5
_FEWEST_TOPICS = 5
_SPLITS = 3  # to train, to validate and to test on: a topic each at least

# 56 foci tie at ten rows for the last two of the hundred places; the notebook's pandas chose these.
_NOTEBOOK_TIES = ("Hearing Loss", "Tourette syndrome")


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
    near_copies = clusters(pairs)
    foci = table["FocusFixed"].map(normalise).tolist()
    generic = {
        row
        for members in near_copies
        if len({foci[row] for row in members}) >= _GENERIC_FOCI
        for row in members
    }
    near = [pair for pair in pairs if pair[0] not in generic]
    table["Generic"] = ["1" if row in generic else "" for row in range(len(table))]
    table["GroupId"] = group_ids(table, foci, near)
    top = top_foci(table)
    unseen = _unseen_groups(table, top)
    held_out = set(table.loc[table["GroupId"].isin(unseen), "FocusFixed"])
    top = [focus for focus in top if focus not in held_out]
    table["Split"] = _assign(table, near_copies, top, unseen)
    table["SeedRow"] = ""
    for _, rows in _top_rows(table, top, table["Split"] == "train"):
        table.loc[rows[:NOTEBOOK_TRAIN_PER_FOCUS], "SeedRow"] = "train"
    table.loc[table["Split"] == "valid_seen", "SeedRow"] = "valid"
    return table


def top_foci(table: pd.DataFrame) -> list[str]:
    """Return the notebook's hundred most frequent foci, counted as the notebook counted them.

    It filled missing foci with the mode, which changes no place in the list, and dropped
    repeated (Question, Answer) pairs. Ties at the last place are broken by the notebook's own
    result where those foci are present, else by name.
    """
    notebook = table[(table["LowerCaseSchema"] == "") & (table["Focus"] != "")]
    counts = notebook.drop_duplicates(["Question", "Answer"])["Focus"].value_counts()
    ranked = sorted(
        counts.items(), key=lambda item: (-item[1], item[0] not in _NOTEBOOK_TIES, item[0])
    )
    return [str(focus) for focus, _ in ranked[:NOTEBOOK_TOP]]


def _assign(
    table: pd.DataFrame,
    near_copies: list[list[int]],
    top: list[str],
    unseen: Mapping[str, str],
) -> list[str]:
    """Return each row's split."""
    splits = [
        unseen.get(group, "train") if keep == "1" else "drop"
        for keep, group in zip(table["Keep"], table["GroupId"], strict=True)
    ]
    is_generic = (table["Generic"] == "1").tolist()
    splits = [
        "heldout" if generic and found in ("test_unseen", "valid_unseen") else found
        for found, generic in zip(splits, is_generic, strict=True)
    ]
    same_question = _same(enumerate(table["QuestionClean"].map(normalise)))
    same_answer = _same((row, str(members)) for members in near_copies for row in members)

    def leaks(row: int) -> set[int]:
        return same_question(row) | same_answer(row)

    eligible = (pd.Series(splits, index=table.index) == "train") & (table["Generic"] != "1")
    for _, rows in _top_rows(table, top, eligible):
        # The rows that would hold out the fewest others come first; the hash decides the rest.
        rows.sort(key=lambda row: len(leaks(row)))
        for name in _seen_splits(len(rows)):
            row = next((row for row in rows if splits[row] == "train"), None)
            if row is None:
                break
            splits[row] = name
            left = sum(splits[other] == "train" and other not in leaks(row) for other in rows)
            # Two foci have but two questions: there, validation shares one with training.
            spared = name == "valid_seen" and left < NOTEBOOK_TRAIN_PER_FOCUS
            _hold_out(same_answer(row) if spared else leaks(row), splits)
    for row, found in enumerate(splits):
        if found.endswith("_unseen"):
            _hold_out(leaks(row), splits)
    return splits


def _hold_out(rows: Iterable[int], splits: list[str]) -> None:
    for row in rows:
        if splits[row] == "train":
            splits[row] = "heldout"


def _seen_splits(rows: int) -> tuple[str, ...]:
    """Return the splits that a top focus with so many rows can spare one for."""
    if rows <= NOTEBOOK_TRAIN_PER_FOCUS:
        return ()
    return ("valid_seen",) if rows == NOTEBOOK_TRAIN_PER_FOCUS + 1 else ("test_seen", "valid_seen")


def _unseen_groups(table: pd.DataFrame, top: list[str]) -> dict[str, str]:
    """Return the topic groups that nothing is trained on, each with its split.

    A hash gives each group without a top-100 Focus its place. Of a table with few topics it may
    leave a split without any, or all may be among the hundred: then the first by that hash are
    held out, small ones first, a tenth of the topics for each split but five at most.
    """
    kept = table[table["Keep"] == "1"]
    rows = kept.loc[kept["Generic"] != "1", "GroupId"].value_counts()  # that may be tested on
    top_groups = set(table.loc[table["FocusFixed"].isin(top), "GroupId"])
    found = {
        group: "test_unseen" if where < _TEST_UNSEEN_SHARE else "valid_unseen"
        for group in sorted(set(kept["GroupId"]) - top_groups)
        if (where := _place(group)) < _TEST_UNSEEN_SHARE + _VALID_UNSEEN_SHARE
    }
    sizes = Counter(split for group, split in found.items() if group in rows.index)
    fewest = min(_FEWEST_TOPICS, max(1, len(rows) // 10)) if len(rows) >= _SPLITS else 0
    if min(sizes["test_unseen"], sizes["valid_unseen"]) >= fewest:
        return found
    most = rows.sum() / 5
    ranked = sorted(
        rows.index, key=lambda group: (rows[group] > most, group in top_groups, _place(group))
    )
    tests, validations = ranked[:fewest], ranked[fewest : 2 * fewest]
    return dict.fromkeys(tests, "test_unseen") | dict.fromkeys(validations, "valid_unseen")


def _place(group: str) -> float:
    """Return a topic group's place in 0-1."""
    return int(stable_hash(f"split {group}")[:8], 16) / 2**32


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
    keys = (table["QuestionClean"] + "\0" + table["AnswerClean"]).map(stable_hash)
    return [
        (focus, sorted(rows, key=lambda row: keys[row])) for focus, rows in rows_by_focus.items()
    ]
