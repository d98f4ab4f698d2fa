"""Support: what stands in the references counts, what does not is marked by its span."""

from app.references.support import support


class _Plain:
    """Words as they are, all telling the same."""

    def stems(self, text: str) -> list[str]:
        return text.lower().replace(".", "").replace("?", "").split()

    def weight(self, stem: str) -> float:
        return 1.0


def test_a_copied_answer_is_supported_and_an_invented_one_is_not() -> None:
    text = "Asthma is a disease of the airways. Inhalers relax them."
    assert support(text, [text], _Plain()).value == 1.0
    invented = support("Drink vinegar daily.", [text], _Plain())
    assert (invented.value, invented.unsupported) == (0.0, [(0, 20)])


def test_spans_count_code_points_and_leave_spaces_out() -> None:
    answer = "Asthma is a disease. 😀 Vinegar cures everybody quickly.  Inhalers relax them."
    found = support(answer, ["Asthma is a disease. Inhalers relax them."], _Plain())
    assert [answer[start:end] for start, end in found.unsupported] == [
        "😀 Vinegar cures everybody quickly."
    ]
    assert 0 < found.value < 1


def test_the_same_words_in_another_order_support_less() -> None:
    text = "Inhalers relax the airways"
    assert support("airways the relax inhalers", [text], _Plain()).value < 0.6


def test_an_answer_without_words_has_none() -> None:
    assert support("...", ["Asthma."], _Plain()).unsupported == []
