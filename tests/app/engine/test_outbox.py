"""What is said of a step: at once, but for tokens that nobody reads along with."""

from app.engine.interface import Token
from app.engine.outbox import Outbox
from app.engine.scheduler import Outcome
from app.errors import GenerationFailed


def made(number: int, *ids: int, over: bool = False) -> Outcome:
    return Outcome(number, [Token(each, False, False, 0.0) for each in ids], over)


def said(outbox: Outbox, *outcomes: Outcome) -> list[tuple[int, int]]:
    return [(number, token_id) for number, token_id, *_ in outbox.message(outcomes)["tokens"]]


def test_tokens_that_are_read_along_go_at_once() -> None:
    outbox = Outbox()
    assert said(outbox, made(1, 5), made(2, 6, 7)) == [(1, 5), (2, 6), (2, 7)]
    assert said(outbox, made(1, 8, over=True)) == [(1, 8)]


def test_others_wait_for_each_other_but_for_the_first_and_the_last() -> None:
    outbox = Outbox()
    outbox.keep(1)
    assert said(outbox, made(1, 5), made(2, 50)) == [(1, 5), (2, 50)]
    assert said(outbox, made(1, 6), made(2, 51)) == [(2, 51)]
    assert said(outbox, made(1, 7, 8)) == []
    assert said(outbox, made(1, 9, over=True)) == [(1, 6), (1, 7), (1, 8), (1, 9)]
    assert said(outbox, made(1, 10)) == [(1, 10)], "the next one with its number is another"


def test_no_more_wait_than_may_be_made_in_vain() -> None:
    outbox = Outbox()
    outbox.keep(1)
    said(outbox, made(1, 0))
    sent = [said(outbox, made(1, place)) for place in range(1, 33)]
    assert [len(each) for each in sent if each] == [16, 16]
    assert [token for each in sent for _, token in each] == list(range(1, 33))


def test_what_nobody_wants_any_more_is_dropped() -> None:
    outbox = Outbox()
    outbox.keep(1)
    said(outbox, made(1, 5), made(1, 6))
    outbox.forget(1)
    assert said(outbox, made(1, 7)) == [(1, 7)]
    outbox.keep(2)
    said(outbox, made(2, 5), made(2, 6))
    message = outbox.message([Outcome(2, GenerationFailed("gone"), True), Outcome(3, 1.5, True)])
    assert (message["tokens"], message["scored"]) == ([], [[3, 1.5]])
    assert message["failed"] == [[2, ["GenerationFailed", "gone", None]]]
    assert said(outbox, made(2, 8)) == [(2, 8)]
