"""The share of repeated 4-grams, on texts that can be counted by hand."""

import pytest

from app.telemetry.repetition import repeated_share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("three words only", 0.0),
        ("one two three four", 0.0),
        ("a b c d e f g", 0.0),
        ("a b c d a b c d", 1 / 5),  # abcd bcda cdab dabc abcd
        ("A b c d\na B c d", 1 / 5),
        ("no no no no no no", 2 / 3),
    ],
)
def test_repeated_share(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)
