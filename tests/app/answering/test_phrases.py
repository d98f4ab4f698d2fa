"""Stock phrases: where they begin and end in the answer, in code points, sentence by sentence."""

from itertools import chain

from app.answering.phrases import Phrase, phrases
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Span
from app.errors import NotReady
from tests.app.conftest import FakeEngine

ANSWER = "😀 Asthma is a disease. Inhalers relax the airways 💊 soon."


class _Knowing(FakeEngine):
    """Knows every sentence as a whole, and remembers what it was asked."""

    async def spans(self, texts: list[list[int]]) -> list[list[Span]] | None:
        self.prompts += texts
        return [[Span(0, len(text), 364, 13)] if text else [] for text in texts]


async def test_spans_are_of_sentences_and_count_code_points(fine_tuned: Checkpoint) -> None:
    engine = _Knowing(fine_tuned)
    found = await phrases(ANSWER, engine)
    assert found is not None
    assert [ANSWER[each.start : each.end].strip() for each in found] == [
        "😀 Asthma is a disease.",
        "Inhalers relax the airways 💊 soon.",
    ]
    assert {(each.answers, each.topics) for each in found} == {(364, 13)}
    # As the training answers were read: the space belongs to the word after it.
    assert [*chain(*engine.prompts)] == fine_tuned.tokenizer.encode(ANSWER)


async def test_a_part_of_a_sentence_has_its_place(fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned)
    engine.known_spans = [Span(0, 1, 2, 1)]
    found = await phrases("Asthma.", engine)
    [(end, _)] = [(len(fine_tuned.tokenizer.decode(fine_tuned.tokenizer.encode("Asthma.")[:1])), 0)]
    assert found == [Phrase(0, end, 2, 1)]


async def test_what_is_not_known_is_said_so_and_fails_no_answer(fine_tuned: Checkpoint) -> None:
    engine = FakeEngine(fine_tuned)
    assert await phrases(ANSWER, engine) is None

    class Away(FakeEngine):
        async def spans(self, texts: list[list[int]]) -> list[list[Span]] | None:
            raise NotReady("away")

    assert await phrases(ANSWER, Away(fine_tuned)) is None
    assert await phrases("", _Knowing(fine_tuned)) == []
