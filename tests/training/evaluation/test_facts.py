"""Facts are found in sentences as they are published and as models make them."""

import pandas as pd
import pytest

from tests.training.conftest import COLUMNS
from training.evaluation.facts import (
    FactQuestion,
    Kind,
    fact_questions,
    is_right,
    pool,
    stated,
    states_any,
)
from training.reading.mixture import Published


def question(kind: Kind, *facts: str) -> FactQuestion:
    row = Published("Which ?", "", "Wheeze", "wheeze", kind, "GHR")
    return FactQuestion(row, kind, frozenset(facts))


@pytest.mark.parametrize(
    ("text", "genes"),
    [
        ("A change in the WHZ1 gene makes the airways narrow.", {"WHZ1"}),
        ("Most people have changes in the WHZ1, SQK2, or CGH3 gene.", {"WHZ1", "SQK2", "CGH3"}),
        ("The WHZ1 and SQK2 genes lie side by side.", {"WHZ1", "SQK2"}),
        ("The WHZ1 gene is long. The SQK2 gene is not.", {"WHZ1", "SQK2"}),
        ("It lies in the C7orf31 gene.", {"C7orf31"}),
        ("Its DNA is read into RNA; no gene is known.", set()),
        ("WHZ1 is a protein.", set()),
        ("Many genes are involved.", set()),
    ],
)
def test_genes_are_what_is_called_so(text: str, genes: set[str]) -> None:
    assert stated("gene", text) == genes


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("This wheeze comes in an autosomal recessive pattern.", {"recessive"}),
        ("Autosomal dominant inheritance was seen in two families.", {"dominant"}),
        ("It is X-linked recessive: sons have it more often.", {"x recessive"}),
        ("It follows an X-linked dominant pattern.", {"x dominant"}),
        ("This condition is X-linked.", {"x"}),
        ("It has a mitochondrial pattern of inheritance.", {"mitochondrial"}),
        ("This is called maternal inheritance.", {"mitochondrial"}),
        ("Most cases are sporadic.", {"not inherited"}),
        ("It is not inherited.", {"not inherited"}),
        ("Some cases are autosomal dominant, others autosomal recessive.", {"dominant"}),
        ("It runs in families.", set()),
    ],
)
def test_of_patterns_the_first_counts(text: str, pattern: set[str]) -> None:
    assert stated("inheritance", text) == pattern


def test_one_published_gene_is_right_and_another_is_not() -> None:
    asked = question("gene", "WHZ1", "SQK2")
    assert is_right(asked, "The SQK2 gene is to blame.")
    assert not is_right(asked, "The CGH3 gene is to blame.")
    assert not is_right(asked, "SQK2 is to blame."), "it is not called a gene"
    assert not is_right(asked, "")
    pattern = question("inheritance", "recessive")
    assert is_right(pattern, "It is autosomal recessive, never autosomal dominant.")
    assert not is_right(pattern, "It is autosomal dominant, not autosomal recessive.")
    assert not is_right(pattern, "It is X-linked recessive."), "another pattern"


def test_a_wrong_fact_is_one_of_those_read_that_is_not_published_on_the_topic() -> None:
    asked = question("gene", "WHZ1")
    read = frozenset({"SQK2", "WHZ1"})
    assert states_any(asked, "The SQK2 gene causes it.", read)
    assert not states_any(asked, "The WHZ1 gene causes it.", read)
    assert not states_any(asked, "The CGH3 gene causes it.", read), "it was not read there"


def table() -> pd.DataFrame:
    answers = {
        "Wheeze": "Changes in the WHZ1 gene cause it.",
        "Cough": "Changes in the CGH3 gene cause it.",
        "Squeak": "The cause is unknown.",
    }
    rows = [
        [f"Gene of {topic}?", answer, "genetic changes", topic, "GHR", "1", topic, split, ""]
        for topic, answer in answers.items()
        for split in ("train", "test_unseen")
    ]
    rows.append(["x", "The WHZ1 gene.", "genetic changes", "x", "GARD", "1", "x", "train", ""])
    rows.append(["y", "The WHZ1 gene.", "information", "y", "GHR", "1", "y", "train", ""])
    return pd.DataFrame(rows, columns=COLUMNS)


def test_questions_are_those_whose_published_answer_states_a_fact() -> None:
    found = fact_questions(table(), "train", "gene")
    assert {each.row.topic: each.published for each in found} == {
        "Wheeze": {"WHZ1"},
        "Cough": {"CGH3"},
    }
    assert fact_questions(table(), "train", "inheritance") == []
    one = fact_questions(table(), "train", "gene", 1)
    assert len(one) == 1
    assert fact_questions(table().iloc[::-1], "train", "gene", 1) == one, "by a hash, not by place"


def test_the_pool_is_of_every_split() -> None:
    assert len(pool(table(), "gene")) == 4
