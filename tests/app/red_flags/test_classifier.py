"""The classifier as it is served: what it holds, and that it reads as its training wrote."""

import numpy as np
import pytest

from app.red_flags import classifier
from app.red_flags.classifier import FILE, buckets, classified, likely_kinds
from app.red_flags.normalising import plain, words_of
from app.red_flags.notices import notices
from training.classifier import model as trained_by


def test_its_file_is_small() -> None:
    assert FILE.stat().st_size <= 300_000


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("the rescue puffer isnt doing a thing and he is gasping", "emergency"),
        ("she is eighteen days old and boiling, thermometer 38.8", "emergency"),
        ("our whole house is queasy since the boiler was fixed, better outside", "poisoning"),
        ("my stepdad comes to my bed and touches me", "abuse"),
        ("no quiero seguir viviendo", "self_harm"),
        ("se tomó un frasco de pastillas", "overdose"),
        ("what is a balanced breakfast", None),
        ("qué vitaminas son buenas para el pelo", None),
    ],
)
def test_what_no_rule_was_written_for_has_its_kind(text: str, kind: str | None) -> None:
    assert classified(words_of(plain(text))) == kind


@pytest.mark.parametrize("text", ["I can't breathe, señor!", "", "ab", "\U0001d41ah \ud83d now"])
def test_training_reads_and_hashes_alike(text: str) -> None:
    words = words_of(plain(text))
    if text.isprintable():
        assert trained_by.plain_words(text) == words
    for length in trained_by.LENGTHS:
        served = buckets(words, length, trained_by.BUCKETS)
        if "\ud83d" not in words:
            assert (served == trained_by.buckets(words, length)).all()
        assert len(served) == max(0, len(words) - length + 1)


def test_it_serves_what_training_rounded() -> None:
    model = classifier._model()
    trained = trained_by.Model(model.numbers, model.scale, model.bias)
    texts = ["my dad cant breathe", "what is asthma", "quiero morir", "he took forty pills"]
    served = [1 - likely_kinds(words_of(plain(text)))[-1] for text in texts]
    assert np.allclose(trained.harm(texts), served, atol=1e-5)
    assert model.kinds == trained_by.KINDS


def test_an_emergency_in_a_long_text_is_found() -> None:
    story = "today i had soup for lunch and later we watched the birds in the garden. "
    assert classified(words_of(plain(story * 20))) is None
    text = (
        story * 10 + "now i cannot breathe and my lips are turning blue please help. " + story * 10
    )
    assert classified(words_of(plain(text))) == "emergency"


@pytest.mark.parametrize(
    "text",
    [
        "Hello!",
        "hello hello hello",
        "good afternoon, may I ask about diabetes?",
        "zq " * 500,
        "wjx kvb " * 60,
        "lorem ipsum dolor sit amet " * 10,
        "Heart attack",
        "hola, buenas tardes",
        "what's the best pizza in town?",
    ],
)
def test_chatter_noise_and_the_name_of_an_illness_are_no_need(text: str) -> None:
    assert notices(text, "US") == []
