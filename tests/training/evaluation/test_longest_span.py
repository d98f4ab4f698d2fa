"""Spans that an answer shares with training: the longest against a search of all, stock phrases."""

import random

import pytest

from training.evaluation.longest_span import TrainingText


def by_hand(answer: str, training: list[str]) -> int:
    words = answer.split()
    texts = [f" {text} " for text in training]
    return max(
        (
            end - start
            for start in range(len(words))
            for end in range(start + 1, len(words) + 1)
            if any(f" {' '.join(words[start:end])} " in text for text in texts)
        ),
        default=0,
    )


def test_every_span_of_random_texts() -> None:
    generator = random.Random(3)
    words = ["a", "b", "ab", "ba", "é", "abc"]

    def text() -> str:
        return " ".join(generator.choices(words, k=generator.randrange(1, 12)))

    training = [text() for _ in range(20)]
    looked_up = TrainingText(training)
    for answer in [text() for _ in range(200)]:
        assert looked_up.longest_span(answer) == (by_hand(answer, training), len(answer.split()))


@pytest.mark.parametrize(
    ("answer", "span"),
    [
        ("Asthma is a DISEASE; of the airways!", (7, 7)),
        ("It is a disease of the brain.", (5, 7)),
        ("airways strokes", (1, 2)),  # no span crosses two answers
        ("air", (0, 1)),  # nor is a part of a word a word
        ("", (0, 0)),
    ],
)
def test_spans_of_whole_words_within_one_answer(answer: str, span: tuple[int, int]) -> None:
    training = TrainingText(["Asthma is a disease of the airways.", "Strokes are, too."])
    assert training.longest_span(answer) == span


def test_no_training_text_has_no_spans() -> None:
    assert TrainingText([]).longest_span("Anything at all.") == (0, 3)


def test_stock_phrases_are_counted_in_words_and_common_ones_on_topics() -> None:
    phrase = "this condition is inherited in an autosomal recessive pattern"
    answers = [f"{phrase}, says {number}." for number in range(14)] + [phrase] * 3
    topics = [str(number) for number in range(14)] + ["0"] * 3
    training = TrainingText(answers, topics)
    assert training.stock_words(f"Yes: {phrase.title()} in zebras.") == (9, 9)
    assert training.stock_words("inherited in an autosomal recessive pattern") == (0, 0)
    few = TrainingText(answers, ["A"] * len(answers))
    assert few.stock_words(phrase) == (9, 0)
    own = f"{phrase} says 3 and more"
    assert training.stock_words(own) == (11, 10)
    assert TrainingText([]).stock_words(phrase) == (0, 0)
