"""What this machine has to compute on, found without importing PyTorch or touching CUDA here.

A process that has touched CUDA cannot fork, and PyTorch takes seconds to import: a short-lived
process of its own looks (`device_probe`), and only where something hints at a card.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.engine.backends.cards import Card, Facts
from app.engine.backends.device import devices_named

_DRIVER = Path("/proc/driver/nvidia/version")
_PROBE = (sys.executable, "-m", "app.engine.backends.device_probe")
_PROBE_SECONDS = 120.0
"""A first import of PyTorch from a cold disk, and a first kernel, take a while."""
_SMI_SECONDS = 10.0


def facts(wanted: str, driver_file: Path = _DRIVER, probe_command: Sequence[str] = _PROBE) -> Facts:
    """Return what there is, as far as it matters for the device that is wanted."""
    openvino = find_spec("openvino") is not None
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = None
    looked_for = set(devices_named(wanted)) != {"cpu"}
    driver = _driver(driver_file) if looked_for else None
    apple = platform.system() == "Darwin" and looked_for
    if torch is None or not (driver or apple):
        return Facts(openvino, torch, driver)
    return facts_found(Facts(openvino, torch, driver), _probed(probe_command))


def facts_found(known: Facts, found: Mapping[str, Any]) -> Facts:
    """Return what is known, with what `device_probe.found` adds."""
    cards = [
        Card(card["name"], tuple(card["capability"]), card["memory_bytes"], card["fault"])
        for card in found.get("cards", [])
    ]
    return replace(
        known,
        cuda=found.get("cuda"),
        architectures=found.get("architectures", []),
        cards=cards,
        cuda_error=found.get("cuda_error"),
        mps=bool(found.get("mps")),
    )


def _driver(file: Path) -> str | None:
    """Return the version of NVIDIA's driver, or None without one."""
    try:
        text = file.read_text()
    except OSError:
        return _driver_by_command()
    found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)", text)
    return found[1] if found else _driver_by_command()


def _driver_by_command() -> str | None:
    """Ask NVIDIA's tool: under WSL the driver is another system's."""
    if not (command := shutil.which("nvidia-smi")):
        return None
    try:
        done = subprocess.run(  # noqa: S603 - NVIDIA's own tool
            [command, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_SMI_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"\d+(?:\.\d+)+", done.stdout.strip())
    return found[0] if done.returncode == 0 and found else None


def _probed(command: Sequence[str]) -> dict[str, Any]:
    """Return what `device_probe` prints, or that it failed."""
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"cuda_error": f"looking for cards took longer than {_PROBE_SECONDS:.0f} s"}
    except (IndexError, ValueError):
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return {"cuda_error": f"looking for cards failed: {last[0]}"}
    return found
