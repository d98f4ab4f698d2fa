"""The rooms' pages tell the truth: commands parse, what they name exists, no figure is by hand."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from accelerate.commands.launch import launch_command_parser

from app.settings import Settings
from benchmarks.__main__ import BENCHMARKS
from benchmarks.__main__ import main as run_benchmark
from training.__main__ import COMMANDS, main
from training.data.splits import split
from training.evaluation.metrics import TITLES

ROOT = Path(__file__).parents[1]
PAGES = ["training/README.md", "benchmarks/README.md", "app/README.md"]
TRAINING = (ROOT / PAGES[0]).read_text(encoding="utf-8")
BENCHMARKS_PAGE = (ROOT / PAGES[1]).read_text(encoding="utf-8")


def lines_of(page: str) -> list[str]:
    """The commands of a page's shell blocks, one a line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return "\n".join(block.replace("\\\n", " ") for block in blocks).splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_only_blocks_that_are_checked_stand_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.count("```") % 2 == 0
    assert set(re.findall(r"^```(\w*)$", text, re.MULTILINE)) <= {
        "sh",
        "js",
        "python",
        "mermaid",
        "",
    }
    known = ("python -m training ", "python -m benchmarks ", "python -m app ", "accelerate launch ")
    assert [line for line in lines_of(page) if line and not line.startswith(known)] == []


@pytest.mark.parametrize(
    "command",
    [line for page in PAGES for line in lines_of(page) if " -m training " in line],
)
def test_training_commands_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command.partition(" -m training ")[2], comments=True)
    monkeypatch.setattr(f"training.{words[0].replace('-', '_')}.run", lambda _: 0)
    assert main(words) == 0


def test_accelerate_commands_parse() -> None:
    commands = [line for line in lines_of(PAGES[0]) if line.startswith("accelerate launch")]
    assert len(commands) == 2
    for command in commands:
        parsed = launch_command_parser().parse_args(shlex.split(command)[2:])
        assert (parsed.module, parsed.training_script) == (True, "training")
        if parsed.config_file:
            assert yaml.safe_load((ROOT / parsed.config_file).read_text())["fsdp_config"]


def test_benchmark_commands_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [line for page in PAGES for line in lines_of(page) if " -m benchmarks " in line]
    assert commands
    for command in commands:
        words = shlex.split(command.partition(" -m benchmarks ")[2], comments=True)
        monkeypatch.setattr(BENCHMARKS[words[0]], "run", lambda _: 0)
        monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
        assert run_benchmark() == 0


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([\w./-]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
    rooms = re.findall(r"`((?:training|benchmarks|app)/[\w/]+)`", text)
    assert [room for room in rooms if not (ROOT / room).exists()] == []
    settings = {name.lower() for name in re.findall(r"MEDQA_([A-Z_]+)", text)}
    assert settings <= set(Settings.model_fields)
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"`make ([a-z-]+)`", text))
    assert {name for name in targets if f"\n{name}:" not in makefile} == set()


def test_training_names_every_command_recipe_metric_and_split() -> None:
    assert [name for name in COMMANDS if f"| `{name}` |" not in TRAINING] == []
    recipes = (ROOT / "training" / "recipes").glob("*.yaml")
    assert [path.stem for path in recipes if f"| `{path.stem}` |" not in TRAINING] == []
    assert [each.title for each in TITLES.values() if each.title not in TRAINING] == []
    module = sys.modules[split.__module__].__doc__ or ""
    splits = {"train", "valid_unseen", "test_unseen", "valid_seen", "test_seen", "heldout", "drop"}
    assert [name for name in splits if f"`{name}`" not in TRAINING or name not in module] == []


def test_private_names_stand_where_their_table_says() -> None:
    text = (ROOT / "app" / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Private names of libraries")[2]
    rows = re.findall(r"^\| `([\w.]+)`.*? \| .*? \| (.*?) \|", table, re.MULTILINE)
    assert len(rows) >= 4
    for name, files in rows:
        for file in re.findall(r"`([\w/]+\.py)`", files):
            code = (ROOT / file).read_text(encoding="utf-8")
            assert name.rpartition(".")[2] in code, f"{name} is not in {file}"
    listed = {name.rpartition(".")[2] for name, _ in rows}
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("app", "training")
        for path in (ROOT / room).rglob("*.py")
    )
    assert set(re.findall(r"(?:super\(\)|openvino\.op)\.(_[A-Za-z]\w+)", code)) <= listed


def test_benchmarks_names_every_benchmark() -> None:
    others = {"readme"}
    assert [name for name in BENCHMARKS if f"| `{name}` |" not in BENCHMARKS_PAGE] == [*others]


@pytest.mark.parametrize("page", PAGES)
def test_no_speed_is_typed_by_hand(page: str) -> None:
    """What is measured stands between the markers that `python -m benchmarks readme` fills."""
    text = (ROOT / page).read_text(encoding="utf-8")
    by_hand = re.sub(r"<!-- benchmarks: .*?<!-- end -->", "", text, flags=re.DOTALL)
    assert re.findall(r"[\d.,]+ ?(?:×|tokens/s|answers/s)", by_hand) == []
