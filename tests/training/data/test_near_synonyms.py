"""Near synonyms of topics trained on: counted, whichever of the two was held out."""

import pandas as pd
import pytest

from training.data.near_synonyms import near_synonyms


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["FocusFixed", "GroupId", "Split"])


@pytest.mark.parametrize(
    ("held_out", "trained", "near"),
    [
        ("Niemann-Pick disease", "Niemann-Pick disease type A", True),
        ("Lissencephaly 1", "Lissencephaly", True),
        ("Glycogen storage disease type 0", "glycogen storage disease type VII", True),
        ("Severe congenital neutropenia X-linked", "Severe neutropenia", True),
        ("cystic fibrosis", "congenital fibrosis of the extraocular muscles", False),
        ("Disease, type 1", "Syndrome", False),
        ("", "", False),
    ],
)
def test_a_variant_of_a_topic_is_told(held_out: str, trained: str, near: bool) -> None:
    found = table((held_out, "1", "test_unseen"), (trained, "2", "train"))
    assert near_synonyms(found, "test_unseen") == {"topics": int(near), "rows": int(near)}


def test_topics_and_rows_of_one_split_are_counted() -> None:
    found = table(
        ("Gout type 1", "1", "test_unseen"),
        ("Gout type 1", "1", "test_unseen"),
        ("Gout type 2", "2", "valid_unseen"),
        ("Gout type 3", "3", "heldout"),
        ("Gout", "4", "train"),
    )
    assert near_synonyms(found, "test_unseen") == {"topics": 1, "rows": 2}
    assert near_synonyms(found, "valid_unseen") == {"topics": 1, "rows": 1}
    assert near_synonyms(found[:4], "test_unseen") == {"topics": 0, "rows": 0}
