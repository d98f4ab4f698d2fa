"""Clients that vanish at any moment and in any way: what they asked for is not made for nobody."""

import random
import socket
import threading
import time

import pytest

from tests.app.faults.conftest import PLACES, settled, under_load
from tests.app.faults.wire import asking, connected, everything, reset, status
from tests.app.server_process import Server

_CLIENTS = 4
_VANISHINGS = 40  # of each


def _vanish(server: Server, chance: random.Random) -> None:
    """Send some part of a request, read some part of the answer, leave in some way."""
    path = chance.choice(["/answer", "/compare"])
    request = asking(path, max_new_tokens=100, stream=chance.random() < 0.5)
    with connected(server) as connection:
        whole = chance.random() < 0.7
        connection.sendall(request if whole else request[: chance.randrange(len(request))])
        time.sleep(chance.random() * 0.05)
        if whole and chance.random() < 0.3:
            connection.recv(chance.randrange(1, 500))
        if chance.random() < 0.5:
            reset(connection)


@pytest.mark.long
def test_sockets_closed_at_random(outlived: Server) -> None:
    def vanish_often(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(_VANISHINGS):
            _vanish(outlived, chance)

    clients = [threading.Thread(target=vanish_often, args=[seed]) for seed in range(_CLIENTS)]
    before = len(outlived.output())
    with under_load(outlived, clients=1) as load:
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        settled(outlived)
    assert set(load.outcomes) <= {"200", "429"}
    assert "POST /answer 499 " in outlived.output()[before:]


@pytest.mark.parametrize("stream", [False, True])
def test_clients_that_only_close_their_half(outlived: Server, stream: bool) -> None:
    """They are taken to have left, as proxies do it: their places are free at once."""
    before = len(outlived.output())
    for _ in range(3 * PLACES):
        with connected(outlived) as connection:
            connection.sendall(asking("/compare", max_new_tokens=100, stream=stream))
            connection.shutdown(socket.SHUT_WR)
            assert status(everything(connection)) in (0, 200, 429)
    settled(outlived)
    assert "POST /compare 499 " in outlived.output()[before:]
