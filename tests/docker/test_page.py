"""docker/README.md tells the truth: its table is the settings', its files and targets exist."""

import re
import runpy
from pathlib import Path

from app.settings import Settings
from tests.docker.conftest import DOCKER

ROOT = DOCKER.parent
PAGE = (DOCKER / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))


def test_the_table_of_settings_is_the_settings() -> None:
    """If this fails, run `python docker/settings_table.py`."""
    maker = runpy.run_path(str(DOCKER / "settings_table.py"))
    assert maker["page_with_table"](PAGE) == PAGE


def test_the_table_has_every_setting_and_its_default() -> None:
    table = PAGE.partition("<!-- settings:")[2]
    rows = re.findall(r"^\| `MEDQA_(\w+)` \| ([^|]+) \| ([^|]*) \|", table, re.MULTILINE)
    assert [name.lower() for name, _, _ in rows] == list(Settings.model_fields)
    found = {name: (takes, default.strip()) for name, takes, default in rows}
    assert found["DRAIN_SECONDS"] == ("whole number", "`30`")
    assert found["LOG_TEXTS"] == ("true or false", "`false`")
    assert found["TRUSTED_PROXIES"] == ("list", "`127.0.0.1`")
    assert found["API_KEYS_FILE"] == ("path", "")


def test_variables_exist() -> None:
    named = {name.removeprefix("MEDQA_").lower() for name in re.findall(r"MEDQA_[A-Z_]+", PAGE)}
    assert named <= set(Settings.model_fields)


def test_files_named_exist() -> None:
    named = re.findall(r"-f (\S+\.yaml)|-k (\S+)|serve deploy (\S+)", SHELL)
    paths = {ROOT / path for groups in named for path in groups if path}
    paths |= {DOCKER / path for path in re.findall(r"\]\(([a-z][\w/.-]+)\)", PAGE)}
    assert len(paths) > 5
    assert {path for path in paths if not Path(path).exists()} == set()


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`", PAGE))
    assert named
    assert {name for name in named if f"\n{name}:" not in makefile} == set()
