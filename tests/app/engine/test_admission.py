"""Places: how many there are, and when to ask again where there are none."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from app.engine.admission import Admission, Limits, asker
from app.errors import QueueFull


def _refusal(admission: Admission) -> QueueFull:
    with pytest.raises(QueueFull) as caught, admission.held():
        pass
    return caught.value


@contextmanager
def _asks(client: str) -> Iterator[None]:
    token = asker.set(client)
    try:
        yield
    finally:
        asker.reset(token)


Take = Callable[[str, int], None]


@pytest.fixture
def admission() -> Admission:
    """Four places, and two to wait in."""
    return Admission(Limits(4, 2, 64))


@pytest.fixture
def take(admission: Admission) -> Iterator[Take]:
    """Take places for a client, and keep them to the end of the test."""
    with ExitStack() as held:

        def some(client: str, count: int) -> None:
            with _asks(client):
                for _ in range(count):
                    held.enter_context(admission.held())

        yield some


def test_whoever_asks_alone_may_have_every_place(admission: Admission, take: Take) -> None:
    take("greedy", 6)
    with _asks("greedy"):
        assert "All 6 places" in str(_refusal(admission))


def test_whoever_took_every_place_shuts_out_nobody(admission: Admission, take: Take) -> None:
    take("greedy", 6)
    take("late", 1)
    take("later", 1)
    with _asks("greedy"):
        assert "Others wait" in str(_refusal(admission))
    with _asks("last"):  # the places for those who have less are bounded too
        assert "All 6 places" in str(_refusal(admission))


def test_where_somebody_waits_nobody_has_more_than_a_share(
    admission: Admission, take: Take
) -> None:
    take("one", 3)
    take("other", 1)
    with _asks("one"):
        assert "(3)" in str(_refusal(admission))
    take("other", 2)
    assert admission.taken == 6


def test_a_share_counts_only_while_there_is_too_little(admission: Admission, take: Take) -> None:
    with _asks("other"), admission.held():
        take("one", 3)  # half of six; the batch is full
    take("one", 1)  # the other is gone, and with it its share
    assert admission.taken == 4


def test_a_full_queue_refuses_and_recovers() -> None:
    admission = Admission(Limits(1, 1, 64))
    with admission.held(), admission.held():
        assert "All 2 places" in str(_refusal(admission))
        with admission.held(admitted=True):  # it belongs to an answer that has its place
            assert admission.taken == 3
    admission.require()
    assert admission.taken == 0


def test_retry_after_follows_the_pace_of_late(admission: Admission) -> None:
    admission.taken = 6
    for seconds, expected in ((30.0, 15), (0.1, 1), (10_000.0, 60)):
        for _ in range(100):
            admission.note(seconds)
        # Two wait for four places, but nobody is told to wait for more than a minute.
        assert _refusal(admission).retry_after_seconds == expected


def test_a_place_counts_from_its_first_token() -> None:
    admission = Admission(Limits(1, 1, 64))
    before = _mean(admission)
    with admission.held():
        pass  # it never began: it tells nothing of how long answers take
    assert _mean(admission) == before
    with admission.held() as hold:
        hold.begin()
        hold.begin()
    assert _mean(admission) < before


def _mean(admission: Admission) -> float:
    return admission._mean_answer_seconds
