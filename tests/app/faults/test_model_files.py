"""Model files that rot before the start are named and not served; while serving they may go."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.app.faults.conftest import answer, pair_settings, started, under_load, unharmed
from tests.app.server_process import Server

pytestmark = pytest.mark.long

WEIGHTS = "model.safetensors"


def _truncate(directory: Path) -> None:
    weights = (directory / WEIGHTS).read_bytes()
    (directory / WEIGHTS).write_bytes(weights[: len(weights) // 2])


def _no_json(directory: Path) -> None:
    (directory / "tokenizer.json").write_text("<html>502 Bad Gateway</html>")


def _not_a_number(directory: Path) -> None:
    weights = bytearray((directory / WEIGHTS).read_bytes())
    weights[-4:] = b"\xff\xff\xff\xff"
    (directory / WEIGHTS).write_bytes(weights)


BREAKAGES = [_truncate, _no_json, _not_a_number]


def test_each_breakage_is_named_before_anything_is_served(pair: Path, tmp_path: Path) -> None:
    with ExitStack() as ending:
        starting = []
        for break_it in BREAKAGES:
            directory = tmp_path / break_it.__name__
            shutil.copytree(pair / "fine-tuned", directory)
            break_it(directory)
            settings = pair_settings(pair) | {"MEDQA_FINE_TUNED_MODEL": str(directory)}
            server = Server(**settings)
            ending.callback(server.process.kill)
            starting.append((directory, server))
        for directory, server in starting:
            output = server.wait()
            assert server.process.returncode == 1, output
            assert f"cannot start: {directory}: " in output
            assert "Traceback" not in output
            assert " ready" not in output


def _overwrite(directory: Path) -> None:
    """Write another model into the same files, as a careless deployment does."""
    for file in directory.iterdir():
        file.write_bytes(bytes(file.stat().st_size))


def _truncate_all(directory: Path) -> None:
    for file in directory.iterdir():
        file.write_bytes(b"")


def test_a_model_directory_that_goes_while_it_is_served(pair: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(pair, models)
    with started(**pair_settings(models)) as server:
        right = {model: answer(server, model=model) for model in ("fine-tuned", "base")}
        with under_load(server) as load:
            for harm in (_overwrite, _truncate_all, shutil.rmtree):
                for model, expected in right.items():
                    harm(models / model)
                    assert answer(server, model=model) == expected
        assert set(load.outcomes) == {"200"}
        assert load.answers == {right["fine-tuned"]}
        unharmed(server, right["fine-tuned"])
