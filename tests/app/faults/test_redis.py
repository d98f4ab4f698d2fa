"""A Redis that is down, or hangs: nobody is limited for a while, and everybody is answered."""

import socket
from pathlib import Path

import pytest

from tests.app.faults.conftest import answer, pair_settings, started, under_load, unharmed
from tests.app.server_process import free_port

pytestmark = pytest.mark.long


def test_a_redis_that_is_down_and_then_hangs(pair: Path) -> None:
    port = free_port()
    settings = {
        "MEDQA_RATE_LIMIT": "1/minute",
        "MEDQA_RATE_LIMIT_STORAGE": f"redis://user:secret@127.0.0.1:{port}/0",
    }
    with started(**pair_settings(pair), **settings) as server:
        right = answer(server)
        with under_load(server):
            assert answer(server) == right
        with socket.create_server(("127.0.0.1", port)):  # takes connections and says nothing
            with under_load(server) as load:
                for _ in range(3):
                    assert answer(server) == right
            assert set(load.outcomes) == {"200"}
        unharmed(server, right)
        output = server.output()
    assert output.count("nobody is limited") == 1
    assert "secret" not in output
