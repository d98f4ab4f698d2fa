"""Whose requests go first where several owners want more than a step should hold.

An owner is whoever asked, as a number that tells nothing else. Each owner's oldest request comes
before anybody's second, that before anybody's third: one question is slowed little by somebody's
sixteen. "Fairness in Serving Large Language Models" (OSDI 2024) gives out a batch's places so; here
a step's time is given out too, as each row makes it longer for all. Knows nothing about steps.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from app.engine.requests import Request

Kind = TypeVar("Kind", bound=Request)


def in_turn(
    requests: Iterable[tuple[int, Kind]], before: Iterable[Request] = ()
) -> list[tuple[int, Kind]]:
    """Return requests, given by age, such that all owners' first come first, then all second.

    What an owner has `before` them counts: whoever has least of that has the first turn.
    """
    seen = Counter(request.owner for request in before)
    turns = []
    for number, request in requests:
        turns.append((seen[request.owner], number, request))
        seen[request.owner] += 1
    turns.sort(key=lambda turn: turn[0])  # stable: the older of the same turn first
    return [(number, request) for _, number, request in turns]


def shared(
    requests: Sequence[tuple[int, Kind]],
) -> tuple[list[tuple[int, Kind]], list[tuple[int, Kind]]]:
    """Split into what each owner has as much of as any other, and what some have beyond that."""
    owners = Counter(request.owner for _, request in requests)
    alike = min(owners.values(), default=0) * len(owners)
    ordered = in_turn(requests)
    return ordered[:alike], ordered[alike:]
