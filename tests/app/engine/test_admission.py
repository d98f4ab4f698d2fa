"""Places: how many there are, and when to ask again where there are none."""

import pytest

from app.engine.admission import Admission, Limits
from app.errors import QueueFull


def _refusal(admission: Admission) -> QueueFull:
    with pytest.raises(QueueFull) as caught, admission.held():
        pass
    return caught.value


def test_a_full_queue_refuses_and_recovers() -> None:
    admission = Admission(Limits(1, 1, 64))
    with admission.held(), admission.held():
        assert "All 2 places" in str(_refusal(admission))
        with admission.held(admitted=True):  # it belongs to an answer that has its place
            assert admission.taken == 3
    admission.require()
    assert admission.taken == 0


def test_retry_after_follows_the_pace_of_late() -> None:
    admission = Admission(Limits(4, 2, 64))
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
