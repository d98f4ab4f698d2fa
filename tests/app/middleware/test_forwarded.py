"""Where every proxy is trusted, only the address that the last one added counts."""

import logging

import pytest

from tests.app.conftest import Asking


async def test_a_client_cannot_choose_its_address(asking: Asking) -> None:
    client = await asking(trusted_proxies=["*"], rate_limit="1/hour")
    body = {"question": "What is asthma?"}

    async def ask(*forwarded: str) -> int:
        headers = [("X-Forwarded-For", each) for each in forwarded]
        return (await client.post("/answer", json=body, headers=headers)).status_code

    assert await ask("203.0.113.7") == 200
    assert await ask("198.51.100.1, 203.0.113.7") == 429
    assert await ask("198.51.100.2", "203.0.113.7") == 429
    assert await ask("203.0.113.7, 198.51.100.1") == 200
    # Some proxies add the port, another one for each connection.
    assert await ask("203.0.113.7:5555") == 429
    assert await ask("[2001:db8::7]:443") == 200
    assert await ask("2001:db8::7") == 429


async def test_the_log_names_who_asked_and_not_the_proxy(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = await asking(trusted_proxies=["*"])
    await client.get("/info", headers={"X-Forwarded-For": "203.0.113.7"})
    assert 'client="203.0.113.7"' in caplog.text


async def test_without_a_proxy_the_connection_counts(asking: Asking) -> None:
    client = await asking(trusted_proxies=["*"], rate_limit="1/hour")
    body = {"question": "What is asthma?"}
    statuses = [(await client.post("/answer", json=body)).status_code for _ in range(2)]
    assert statuses == [200, 429]
