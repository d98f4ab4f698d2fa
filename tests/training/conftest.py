"""A handful of prepared pairs, as `prepare` would write them."""

import csv
from pathlib import Path

import pytest

PAIRS = {
    "What is asthma?": "Asthma is a disease of the airways in the lungs.",
    "What is diabetes?": "Diabetes is a disease in which blood sugar is too high.",
    "How is diabetes treated?": "With diet, exercise and insulin.",
    "What is a stroke?": "A stroke happens when blood flow to the brain stops.",
}


def write_table(directory: Path, splits: dict[str, dict[str, str]]) -> Path:
    """Write `medquad.csv` with the columns that training reads."""
    directory.mkdir(exist_ok=True)
    with (directory / "medquad.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["QuestionClean", "AnswerClean", "Split", "SeedRow"])
        for split, pairs in splits.items():
            seed_row = {"train": "train", "valid_seen": "valid"}.get(split, "")
            writer.writerows([*pair, split, seed_row] for pair in pairs.items())
    return directory


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four pairs to train on; the same four, under other names, to validate and test on."""
    splits = ("train", "valid_seen", "valid_unseen", "test_unseen")
    return write_table(tmp_path / "data", dict.fromkeys(splits, PAIRS))
