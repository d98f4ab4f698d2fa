"""Text that a client sends never becomes a line of the log, a header, or a path of its own."""

import io
import json
import logging
import re
from collections.abc import Iterator

import httpx
import pytest

from app import logs
from tests.app.conftest import Asking

FORGED = "2026-01-01 00:00:00,000 CRITICAL app [-]: forged"
_LINE = re.compile(r"[0-9-]{10} [0-9:,]{12} INFO app\.requests \[[A-Za-z0-9._-]+\]: (GET|POST) ")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the app logs as text."""
    handler, stream, logger = logs.handler("text"), io.StringIO(), logging.getLogger("app.requests")
    handler.setStream(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


@pytest.mark.parametrize("log_texts", [False, True])
async def test_each_request_is_one_line_whatever_it_says(
    asking: Asking, written: io.StringIO, log_texts: bool
) -> None:
    client = await asking(log_texts=log_texts)
    ends = ["\n", "\r", "\r\n", "\u2028", "\u0085", "\x1b[2K", "\x0b"]
    for end in ends:
        body = {"question": f"What?{end}{FORGED}"}
        assert (await client.post("/answer", json=body)).status_code == 200
        await client.get(f"/nowhere/{httpx.QueryParams({'a': end + FORGED})}")
        await client.get("/v1/models/" + "".join(f"%{byte:02x}" for byte in end.encode()) + FORGED)
        await client.get("/readyz", headers={b"X-Request-ID": f"a{end}{FORGED}".encode()})
        await client.get("/readyz", headers={b"User-Agent": f"a{end}{FORGED}".encode()})
    lines = written.getvalue().splitlines()
    assert len(lines) == 5 * len(ends)
    assert all(_LINE.match(line) for line in lines)
    assert "\x1b" not in written.getvalue()
    if not log_texts:
        assert "forged" not in written.getvalue()


async def test_what_comes_back_in_an_error_is_json_and_no_header(asking: Asking) -> None:
    client = await asking()
    model = "x%0d%0aSet-Cookie:%20a=b"
    response = await client.get(f"/v1/models/{model}")
    assert response.status_code == 404
    assert "set-cookie" not in response.headers
    assert "Set-Cookie" in json.loads(response.content)["error"]["message"]
