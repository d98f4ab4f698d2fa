"""Templates: what is drawn of them, the same each time."""

import random
from pathlib import Path

from training.classifier.message_templates import drawn, lines_of, misspelled, read_slots


def test_choices_options_and_lists_are_drawn_without_repeats() -> None:
    said = list(drawn("{who} (cant|does not)( always)? breathe", {"who": ["he", "my dad"]}, 40, 1))
    assert set(said) == {
        f"{who} {verb}{always} breathe"
        for who in ("he", "my dad")
        for verb in ("cant", "does not")
        for always in ("", " always")
    }
    assert len(said) == 8


def test_choices_stand_in_choices_and_lists_in_lists() -> None:
    slots = {"who": ["my {kid}"], "kid": ["son"]}
    assert set(drawn("{who} (is (well|ill)|sleeps)", slots, 9, 0)) == {
        "my son is well",
        "my son is ill",
        "my son sleeps",
    }


def test_the_same_seed_draws_the_same_and_no_more_than_asked() -> None:
    template = "(a|b|c|d) (e|f|g|h) (i|j|k|l)"
    assert list(drawn(template, {}, 5, 0)) == list(drawn(template, {}, 5, 0))
    assert len(list(drawn(template, {}, 5, 0))) == 5
    assert list(drawn(template, {}, 5, 0)) != list(drawn(template, {}, 5, 1))


def test_files_may_explain_themselves(tmp_path: Path) -> None:
    (tmp_path / "slots.txt").write_text("# lists\n\nwho = he|my dad\nnone = |x\n", encoding="utf-8")
    assert lines_of(tmp_path / "slots.txt") == ["who = he|my dad", "none = |x"]
    assert read_slots(tmp_path / "slots.txt") == {"who": ["he", "my dad"], "none": ["", "x"]}


def test_slips_change_a_letter_or_two_of_long_words_only() -> None:
    changed = {misspelled("breathing", random.Random(seed)) for seed in range(30)}
    assert len(changed) > 5
    assert all(len(word) in (8, 9, 10) and word[0] == "b" for word in changed)
    assert misspelled("he is ill", random.Random(0)) == "he is ill"
