"""Headers that are too large are refused, however they arrive."""

import pytest

from tests.app.conftest import Asking


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "a" * 20_000},
        {f"X-{number}": "a" for number in range(200)},
        {f"X-{number}": "a" * 500 for number in range(40)},
    ],
)
async def test_too_large(asking: Asking, headers: dict[str, str]) -> None:
    client = await asking()
    response = await client.get("/healthz", headers=headers)
    assert response.status_code == 431
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["connection"] == "close"
    assert "16384 bytes in 100 fields" in response.json()["detail"]


async def test_an_address_counts_too(asking: Asking) -> None:
    client = await asking()
    for path in ("/" + "a" * 20_000, "/healthz?q=" + "a" * 20_000):
        assert (await client.get(path)).status_code == 431
    assert (await client.get("/references", params={"q": "a" * 4_000})).status_code != 431


async def test_what_clients_send_passes(asking: Asking) -> None:
    client = await asking()
    headers = {"Cookie": "a" * 4_000, "Authorization": "Bearer " + "b" * 2_000}
    assert (await client.get("/healthz", headers=headers)).status_code == 200
