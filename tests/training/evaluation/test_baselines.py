"""The baselines answer from training rows alone, and the same whatever order those come in."""

from training.evaluation.baselines import canned_answers, nearest_answers

QUESTIONS = ["What is asthma?", "How is asthma treated?", "What is a stroke?"]
ANSWERS = ["A disease of the airways.", "With inhalers.", "A clot in the brain."]


def test_the_nearest_question_shares_the_rarest_words() -> None:
    asked = ["How can a stroke be told?", "how is ASTHMA in children treated", "What is asthma?"]
    expected = [ANSWERS[2], ANSWERS[1], ANSWERS[0]]
    assert nearest_answers(QUESTIONS, ANSWERS, asked) == expected
    assert nearest_answers(QUESTIONS[::-1], ANSWERS[::-1], asked) == expected


def test_a_question_that_shares_nothing_gets_an_answer_all_the_same() -> None:
    assert nearest_answers(QUESTIONS, ANSWERS, ["", "?!", "zebra"]) == [ANSWERS[1]] * 3


def test_the_canned_answer_is_the_most_central_of_its_type() -> None:
    types = ["treatment", "treatment", "treatment", "causes"]
    answers = [
        "Treatment depends on the symptoms.",
        "Treatment depends on the cause and symptoms.",
        "Surgery.",
        "Nobody knows.",
    ]
    found = canned_answers(types, answers)
    assert found["treatment"].startswith("Treatment depends")
    assert found["causes"] == "Nobody knows."
    assert found[""].startswith("Treatment depends")
    assert canned_answers(types[::-1], answers[::-1]) == found
