"""A step of few tokens runs on one thread, but for what reads much; afterwards all is as before."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from app.engine.backends.threads import alone_with_few_tokens, shared

MEGABYTE = 10**6


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class _Model(nn.Module):
    """Notes how many threads each of its parts has."""

    def forward(self, input_ids: torch.Tensor, *, fails: bool = False) -> list[int]:
        seen = [torch.get_num_threads()]
        for size in (MEGABYTE, 100 * MEGABYTE):
            with shared(size):
                seen.append(torch.get_num_threads())
                if fails:
                    raise RuntimeError("no memory")
        return [*seen, torch.get_num_threads()]


@pytest.fixture
def model() -> nn.Module:
    made = _Model()
    alone_with_few_tokens(made)
    return made


def test_few_tokens_are_for_one_thread_but_large_parts_for_all(model: nn.Module) -> None:
    assert model(torch.zeros(16, 1)) == [1, 1, 2, 1]
    assert model(input_ids=torch.zeros(1, 16)) == [1, 1, 2, 1]
    assert torch.get_num_threads() == 2


def test_many_tokens_are_for_all_threads(model: nn.Module) -> None:
    assert model(torch.zeros(1, 200)) == [2, 2, 2, 2]


def test_a_process_with_one_thread_keeps_to_it(model: nn.Module) -> None:
    torch.set_num_threads(1)
    assert model(torch.zeros(1, 1)) == [1, 1, 1, 1]


def test_a_step_that_fails_leaves_all_threads(model: nn.Module) -> None:
    with pytest.raises(RuntimeError, match="no memory"):
        model(torch.zeros(1, 1), fails=True)
    assert torch.get_num_threads() == 2
    assert model(torch.zeros(1, 1)) == [1, 1, 2, 1]
