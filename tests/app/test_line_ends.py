"""What h11 takes for a line and RFC 9112 does not is refused, in whatever pieces it arrives."""

import h11
import pytest

from app.line_ends import StrictConnection

HEAD = b"POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


def _event(*pieces: bytes) -> object:
    connection = StrictConnection(h11.SERVER, 1024)
    event: object = h11.NEED_DATA
    for piece in pieces:
        connection.receive_data(piece)
        if event is h11.NEED_DATA:
            event = connection.next_event()
    return event


def test_whole_and_byte_by_byte() -> None:
    assert isinstance(_event(HEAD), h11.Request)
    assert isinstance(_event(*(bytes([each]) for each in HEAD)), h11.Request)


def test_a_body_may_hold_any_line() -> None:
    assert isinstance(_event(HEAD + b"\n\n"), h11.Request)


@pytest.mark.parametrize("place", range(HEAD.count(b"\r\n")))
def test_one_bare_line_feed_anywhere(place: int) -> None:
    lines = HEAD.split(b"\r\n")
    head = b"\r\n".join(lines[: place + 1]) + b"\n" + b"\r\n".join(lines[place + 1 :])
    for pieces in ([head], [bytes([each]) for each in head], [head[:30], head[30:]]):
        with pytest.raises(h11.RemoteProtocolError):
            _event(*pieces)
