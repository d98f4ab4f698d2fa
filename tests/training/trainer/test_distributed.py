"""Several processes make the run of one; only the first writes, and each says what is wrong."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from accelerate import PartialState

from tests.training.conftest import PAIRS, write_table
from tests.training.test_finetune import ROOT, recipe, weights
from training.errors import TrainingError
from training.finetune import finetune
from training.trainer.distributed import join, one_card


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.long
def test_two_processes_end_with_the_loss_of_one(pair: Path, tmp_path: Path) -> None:
    rows = {f"{question} ({n})": answer * (1 + n % 3) for n in range(6) for question, answer in
            PAIRS.items()}  # fmt: skip
    data = write_table(tmp_path / "data", {"train": rows, "valid_unseen": PAIRS})
    one = recipe(2, epochs_between_evaluations=1, accumulation_steps=2)
    two = recipe(2, epochs_between_evaluations=1, accumulation_steps=1)
    file, out = tmp_path / "two.yaml", tmp_path / "two"
    file.write_text(yaml.safe_dump(two.model_dump(mode="json")))
    launch = [
        *("accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1"),
        "--multi_gpu",  # several processes; without a GPU they share the CPU by gloo
        *("--mixed_precision", "no", "--dynamo_backend", "no"),
        *("--main_process_port", str(_free_port())),
    ]
    run = ["-m", "training", "finetune", "--recipe", str(file), "--data", str(data)]
    done = subprocess.run(
        [sys.executable, "-m", *launch, *run, "--base", str(pair / "base"), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    finetune(one, data, str(pair / "base"), tmp_path / "one")

    records = [
        json.loads((tmp_path / name / "training.json").read_text()) for name in ("one", "two")
    ]
    assert [record["processes"] for record in records] == [1, 2]
    # Trainer weighs validation tokens by batch, and two processes make one batch of two.
    for loss, tolerance in {"loss": 2e-3, "grad_norm": 1e-2, "eval_loss": 1e-2}.items():
        of_one, of_two = ([entry[loss] for entry in record["log"] if loss in entry]
                          for record in records)  # fmt: skip
        assert len(of_one) >= 2
        assert of_two == pytest.approx(of_one, rel=tolerance), loss
    expected = weights(tmp_path / "one")
    for name, value in weights(out).items():
        assert (value - expected[name]).abs().max() < 0.02, name
    assert done.stdout.count("'train_runtime'") == 1, "only one process prints"
    assert done.stderr.count(" 0/12 [00:00<?") == 1, "one bar of the twelve updates"
    assert "<00:00" in done.stderr, "with the time left"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "one", "two", "two.yaml"]


def test_an_environment_that_tells_of_others_is_answered_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    PartialState._reset_state()
    try:
        with pytest.raises(TrainingError, match=r"accelerate launch.*MASTER_ADDR"):
            join()
    finally:
        PartialState._reset_state()


@pytest.mark.parametrize(
    ("visible", "left"), [({}, "0"), ({"CUDA_VISIBLE_DEVICES": "2,3"}, "2"),
                          ({"CUDA_VISIBLE_DEVICES": "GPU-8a"}, "GPU-8a"),
                          ({"CUDA_VISIBLE_DEVICES": ""}, "")]
)  # fmt: skip
def test_a_run_of_one_process_sees_one_card(visible: dict[str, str], left: str) -> None:
    environment = dict(visible)
    one_card(environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": left}


@pytest.mark.parametrize("told", ["LOCAL_RANK", "WORLD_SIZE"])
def test_the_processes_of_accelerate_see_all_cards(told: str) -> None:
    environment = {told: "1", "CUDA_VISIBLE_DEVICES": "0,1"}
    one_card(environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_cards_are_hidden_before_anything_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def asked() -> bool:
        seen.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
        return False

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", asked)
    join()
    assert seen
    assert set(seen) == {"4"}
