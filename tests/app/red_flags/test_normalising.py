"""Letters as people and phones write them, and what plain text must not cost."""

import time

import pytest

from app.red_flags.normalising import plain, words_of


@pytest.mark.parametrize(
    "written",
    [
        "I can\u2019t breathe!",
        "\uff29 \uff43\uff41\uff4e\uff07\uff54 \uff42\uff52\uff45\uff41\uff54\uff48\uff45",
        "\U0001d408 \U0001d41c\U0001d41a\U0001d427\u2019\U0001d42d "
        "\U0001d41b\U0001d42b\U0001d41e\U0001d41a\U0001d42d\U0001d421\U0001d41e",
        "I c\u200ban\u200d't br\u00adea\ufeffthe",
        "I cant breatheeeee",
        "\u00ed c\u00e0n't br\u00e9athe",
        "I can`t bre\u0301\u0323athe",
    ],
)
def test_the_same_words_however_they_are_written(written: str) -> None:
    assert words_of(plain(written)) == "i cant breathe"


def test_numbers_and_doubled_letters_stay() -> None:
    assert plain("5000 pills, too sleepy.") == "5000 pills, too sleepy."


@pytest.mark.parametrize("piece", ["\u0301\u0316", "\ufdfa", "e\u0301", "\U0001d408 ", "aaaa"])
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    def seconds(characters: int) -> float:
        text = (piece * characters)[:characters]
        started = time.process_time()
        plain(text)
        return time.process_time() - started

    # Twenty times the text: quadratic work would take four hundred times as long.
    assert seconds(80_000) < 80 * (seconds(4_000) + 0.001)
