"""What a machine has is found by a process that ends, and only where something hints at a card."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from app.engine.backends import device_facts
from app.engine.backends.cards import Card
from app.engine.backends.device_facts import facts
from app.engine.backends.device_probe import found, kernel_fault

CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2026\n"
OPEN = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (archive)\n"
    "GCC version:  gcc version 13.3.0\n"
)
PROBED = {
    "cuda": "13.0",
    "architectures": ["sm_80"],
    "cards": [
        {"name": "NVIDIA A10", "capability": [8, 6], "memory_bytes": 24_000, "fault": None},
    ],
    "cuda_error": None,
    "mps": False,
}
NEVER = (sys.executable, "-c", "raise SystemExit('the probe was run')")


@pytest.fixture(autouse=True)
def no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    (tmp_path / "version").write_text(OPEN)
    return tmp_path / "version"


def test_nothing_is_imported_where_nothing_hints_at_a_card(tmp_path: Path) -> None:
    for device in ("auto", "cuda", "cpu"):
        there = facts(device, tmp_path / "none", NEVER)
        assert there.driver is None
        assert there.cuda_error is None
        assert there.torch == version("torch")
        assert there.openvino


def test_who_is_told_cpu_does_not_look_for_cards(driver: Path) -> None:
    assert facts("cpu", driver, NEVER).cards == ()


@pytest.mark.parametrize(("text", "version"), [(CLOSED, "550.54.14"), (OPEN, "580.65.06")])
def test_the_driver_is_named_by_the_kernel(driver: Path, text: str, version: str) -> None:
    driver.write_text(text)
    probe = (sys.executable, "-c", f"print({json.dumps(PROBED)!r})")
    there = facts("auto", driver, probe)
    assert there.driver == version
    assert there.cuda == "13.0"
    assert there.cards == [Card("NVIDIA A10", (8, 6), 24_000)]


def test_the_driver_is_named_by_its_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 581.29\necho 581.29\n")
    tool.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(tool))
    probe = (sys.executable, "-c", f"print({json.dumps(PROBED)!r})")
    assert facts("auto", tmp_path / "none", probe).driver == "581.29"
    tool.write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    assert facts("auto", tmp_path / "none", NEVER).driver is None


def test_a_probe_that_dies_is_told(driver: Path) -> None:
    there = facts("auto", driver, NEVER)
    assert there.driver == "580.65.06"
    assert "the probe was run" in str(there.cuda_error)
    crashed = facts("auto", driver, (sys.executable, "-c", "import os; os.abort()"))
    assert "exit status" in str(crashed.cuda_error)


def test_a_probe_that_hangs_is_left(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_facts, "_PROBE_SECONDS", 0.2)
    hanging = (sys.executable, "-c", "import time; time.sleep(60)")
    assert "took longer" in str(facts("auto", driver, hanging).cuda_error)


def test_the_real_probe_answers_and_leaves_this_process_without_torch(driver: Path) -> None:
    looked = subprocess.run(
        [sys.executable, "-c", "import sys\nfrom pathlib import Path\n"
         "from app.engine.backends.device_facts import facts\n"
         f"print(facts('auto', Path({str(driver)!r})))\nassert 'torch' not in sys.modules"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert looked.returncode == 0, looked.stderr
    assert "580.65.06" in looked.stdout
    assert "failed" not in looked.stdout
    assert found()["cuda"] == torch.version.cuda


def test_a_first_kernel_tells_whether_a_device_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel_fault(torch.device("cpu"), bfloat16=True) is None
    assert kernel_fault(torch.device("cpu"), bfloat16=False) is None
    monkeypatch.setattr(torch, "ones", lambda *size, **_: torch.zeros(*size))
    assert "came out as 0.0" in str(kernel_fault(torch.device("cpu"), bfloat16=True))

    def no_kernel(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with")

    monkeypatch.setattr(torch, "ones", no_kernel)
    fault = kernel_fault(torch.device("cpu"), bfloat16=True)
    assert fault == "torch.float32: CUDA error: no kernel image is available"
