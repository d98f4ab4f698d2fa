"""Requests whose lines end in CRLF, as RFC 9112 has it: h11 takes a bare LF for the same.

A proxy in front that does not sees one line where h11 sees two, and so another request.
"""

import re

import h11

_END_OF_HEAD = re.compile(rb"\n\r?\n")


class StrictConnection(h11.Connection):
    """h11's connection, refusing a request line or a header that ends in a bare LF."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return what h11 makes of the bytes so far.

        Raises:
            h11.RemoteProtocolError: as h11, or a line ends in LF alone.

        """
        if self.their_state is h11.IDLE:
            received, _ = self.trailing_data
            if end := _END_OF_HEAD.search(received):
                head = received[: end.end()]
                if head.count(b"\n") != head.count(b"\r\n"):
                    raise h11.RemoteProtocolError("a line does not end in CRLF")
        return super().next_event()
