"""The command line tells mistakes in one line and ends with the status a script expects."""

import subprocess
import sys
from pathlib import Path

import pytest

from training import prepare
from training.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]


def test_a_mistake_ends_the_process_in_one_line() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "training", "prepare", "--source", "nowhere.zip"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: nowhere.zip: no such file or directory")
    assert len(result.stderr.splitlines()) == 1
    assert not result.stdout


def test_an_unknown_recipe_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", "--recipe", "fast"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: no recipe 'fast'; there are demo, full, lora, notebook")
    assert len(told.err.splitlines()) == 1
    assert not told.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["unlearn"], "invalid choice: 'unlearn'"),
        (["evaluate", "--limit", "ten"], "argument --limit: 'ten' is not a positive whole number"),
        (["finetune", "--epochs", "many"], "argument --epochs: invalid float value: 'many'"),
    ],
)
def test_wrong_usage_exits_2_and_says_why(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["finetune", "--recipe", "full", "--learning-rate", "-1"],
            "finetuning.optimisation.learning_rate",
        ),
        (["finetune", "--max-tokens", "2"], "finetuning.max_tokens"),
        (
            ["evaluate", "--model", "a", "--base", "b", "--data", "nowhere"],
            "error: nowhere/medquad.csv is missing",
        ),
    ],
)
def test_mistakes_exit_2_and_are_named(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("said", ["stopped; --resume goes on", ""])
def test_ctrl_c_exits_130(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt(*filter(None, [said]))

    monkeypatch.setattr(prepare, "run", interrupted)
    assert main(["prepare"]) == 130
    assert capsys.readouterr().err.strip() == (said or "stopped")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text and summary in text for name, summary in COMMANDS.items())
