"""The classifier of red flags while it is trained."""

from pathlib import Path

import numpy as np

from training.classifier.model import (
    BUCKETS,
    KINDS,
    LENGTHS,
    Message,
    features,
    fitted,
    plain_words,
)

_SAID = [
    Message(f"{who} {what}", KINDS.index(kind))
    for who in ("my dad", "my wife", "he", "she")
    for what, kind in (
        ("cannot breathe", "emergency"),
        ("wants to die", "self_harm"),
        ("took forty pills", "overdose"),
        ("drank bleach", "poisoning"),
        ("beats me", "abuse"),
        ("has dry skin", "none"),
    )
]


def test_words_are_plain() -> None:
    assert plain_words("I Can\u2019t breatheeee, se\u00f1or\u200b!") == "i cant breathe senor"


def test_a_messages_features_do_not_grow_with_its_length() -> None:
    short, long = features(["my chest hurts", "my chest hurts and so it goes on and on all day"])
    letters = len(" my chest hurts ")
    assert np.isclose(short.sum(), sum(letters - length + 1 for length in LENGTHS) ** 0.5)
    assert long.sum() > short.sum()
    assert short.shape == (1, BUCKETS)


def test_what_it_learned_it_tells_apart_and_saves_in_the_same_bytes(tmp_path: Path) -> None:
    model = fitted(_SAID)
    harm = model.harm(["my brother cannot breathe", "he has dry skin", ""])
    assert harm[0] > 0.7 > 0.5 > harm[1]
    assert model.numbers.dtype == np.int8
    for name in ("one.npz", "other.npz"):
        fitted(_SAID).save(tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
