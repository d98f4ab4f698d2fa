"""The service as its image runs it, with the demo pair, after a little of every traffic."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.server_process import Server

DOCKER = Path(__file__).parents[2] / "docker"
QUESTION = {"question": "What is asthma?", "max_new_tokens": 12}


def ask_everything(url: str) -> None:
    """Have both models answer, alone and together, and some questions refused."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for model in ("fine-tuned", "base"):
            client.post("/answer", json=QUESTION | {"model": model}).raise_for_status()
        client.post("/compare", json=QUESTION).raise_for_status()
        chat = {"model": "fine-tuned", "messages": [{"role": "user", "content": "Is flu deadly?"}]}
        client.post("/v1/chat/completions", json=chat | {"max_tokens": 8}).raise_for_status()
        assert client.post("/answer", json={"question": ""}).status_code == 422


@pytest.fixture(scope="session")
def demo(demo: Server) -> Server:
    ask_everything(demo.url)
    return demo


def dashboard_queries() -> list[tuple[str, str]]:
    """Return each panel's title and query, with Grafana's variables filled in."""
    dashboard: dict[str, Any] = json.loads(
        (DOCKER / "grafana/dashboards/medqa.json").read_text(encoding="utf-8")
    )
    return [
        (
            panel["title"],
            target["expr"].replace("$__rate_interval", "10s").replace("$instance", ".+"),
        )
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
