"""Dashboard and alerts ask for what the service exports, and a real Prometheus answers them."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.app.server_process import Server
from tests.docker.conftest import DOCKER, ask_everything, dashboard_queries

ALERTS = DOCKER / "prometheus/alerts.yaml"
SCRAPED = {"job", "instance"}  # what Prometheus adds to every series
LOAD_SECONDS = 8
LOAD_ROUNDS = 15  # two answers of either model each: more than the 20 that an alert needs to judge


def alert_queries() -> list[tuple[str, str]]:
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    return [(rule["alert"], rule["expr"]) for rule in rules]


@pytest.fixture(scope="module")
def exported(demo: Server) -> dict[str, set[str]]:
    """Each series' name and labels, as a scrape finds them."""
    found: dict[str, set[str]] = {"up": set(SCRAPED)}
    for family in text_string_to_metric_families(httpx.get(f"{demo.url}/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set(SCRAPED)).update(sample.labels)
    return found


def nodes(expression: Any) -> Iterator[Any]:
    """Yield a parsed PromQL expression and everything in it."""
    yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        if inner := getattr(expression, name, None):
            yield from nodes(inner)
    for argument in getattr(expression, "args", []):
        yield from nodes(argument)


def unknown(query: str, exported: dict[str, set[str]]) -> set[str]:
    """Return the series and labels that a query wants and nobody exports."""
    found = list(nodes(promql_parser.parse(query)))
    selectors = [node for node in found if isinstance(node, promql_parser.VectorSelector)]
    assert selectors, query
    wrong = {str(selector.name) for selector in selectors if selector.name not in exported}
    for selector in selectors:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        wrong |= labels - exported.get(str(selector.name), labels)
    for node in found:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            inner = (n for n in nodes(node.expr) if isinstance(n, promql_parser.VectorSelector))
            known = set().union(*(exported.get(str(n.name), set()) for n in inner))
            wrong |= set(node.modifier.labels) - known
    return wrong


@pytest.mark.parametrize(("title", "query"), [*dashboard_queries(), *alert_queries()])
def test_only_what_is_exported_is_queried(
    title: str, query: str, exported: dict[str, set[str]]
) -> None:
    assert unknown(query, exported) == set()


def test_what_nobody_exports_is_noticed(exported: dict[str, set[str]]) -> None:
    query = 'sum by (modell) (rate(medqa_token_total{job="a"}[5m])) / medqa_running{route="/a"}'
    assert unknown(query, exported) == {"medqa_token_total", "modell", "route"}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs Prometheus")
@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", str(DOCKER / "prometheus/prometheus.yml")],
        ["test", "rules", str(DOCKER / "prometheus/alerts.test.yaml")],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_agrees(command: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test() -> None:
    tested = (DOCKER / "prometheus/alerts.test.yaml").read_text(encoding="utf-8")
    assert {name for name, _ in alert_queries() if f"alertname: {name}\n" not in tested} == set()


@pytest.fixture(scope="module")
def prometheus(demo: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of Prometheus, with our configuration, once it has scraped a service under load."""
    if not shutil.which("prometheus"):
        pytest.skip("needs Prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(ALERTS)]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{demo.port}"]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (
        (directory / "log").open("w") as log,
        subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address={address}",
            ],
            stderr=log,
        ) as process,
    ):
        try:
            with httpx.Client(base_url=f"http://{address}/api/v1", timeout=30) as client:
                scrapes(client)
                until = time.monotonic() + LOAD_SECONDS
                rounds = 0
                while time.monotonic() < until or rounds < LOAD_ROUNDS:
                    ask_everything(demo.url)
                    rounds += 1
                yield client
        finally:
            process.terminate()


def scrapes(client: httpx.Client) -> None:
    """Wait until Prometheus has reached the service once: what came before counts for nothing."""
    for _ in range(600):
        try:
            found = client.get("/query", params={"query": "up"}).json()["data"]["result"]
            if found and found[0]["value"][1] == "1":
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("Prometheus has not scraped the service")


@pytest.mark.parametrize(("title", "query"), dashboard_queries())
def test_every_panel_shows_something(prometheus: httpx.Client, title: str, query: str) -> None:
    reply = prometheus.get("/query", params={"query": query}).json()
    assert reply["status"] == "success", reply
    series = reply["data"]["result"]
    assert series
    assert all(one["value"][1] not in {"NaN", "+Inf"} for one in series), series


def test_only_the_alerts_that_should_fire_do(prometheus: httpx.Client) -> None:
    due = {"MedqaEndlessAnswers", "MedqaLikeItsBase"}  # every answer of this load was cut short
    rules: list[dict[str, Any]] = []
    firing: set[str] = set()
    for _ in range(200):  # rules are evaluated each second
        rules = prometheus.get("/rules").json()["data"]["groups"][0]["rules"]
        firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
        if due <= firing:
            break
        time.sleep(0.1)
    assert {rule["health"] for rule in rules} == {"ok"}
    assert firing == due
