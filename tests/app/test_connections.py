"""A connection as the server sets it up."""

import asyncio
import socket
from typing import Any

from app.connections import BoundedProtocol
from app.server import Server
from app.settings import Settings


async def test_what_is_written_leaves_at_once() -> None:
    server = Server(Settings(_env_file=None, port=0))
    config = server.config
    config.load()
    made: list[BoundedProtocol] = []

    def connected() -> BoundedProtocol:
        protocol: Any = config.http_protocol_class
        made.append(protocol(config=config, server_state=server.server_state, app_state={}))
        return made[0]

    listening = config.bind_socket()
    serving = await asyncio.get_running_loop().create_server(connected, sock=listening)
    async with serving:
        _, writer = await asyncio.open_connection(*listening.getsockname())
        while not (made and made[0].transport):  # noqa: ASYNC110 - a state, as for any client
            await asyncio.sleep(0.001)
        connection = made[0].transport.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        made[0].transport.abort()
        writer.close()
