"""What figures depend on besides the code measured: machine, versions, commit.

Knows nothing about what is measured.
"""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).parents[2]


def machine(kind: str) -> dict[str, str | None]:
    """Return what a figure depends on; `kind` is the device that did the arithmetic."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": f"{cores} cores",
        "threads": f"{torch.get_num_threads()} threads",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "gpu": torch.cuda.get_device_name() if kind == "cuda" else None,
    }


def _processor() -> str:
    """Return the processor's model as Linux names it, with what it multiplies matrices in."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    flags = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "avx512f": "AVX-512", "avx2": "AVX2"}
    best = next((name for flag, name in flags.items() if re.search(rf"\b{flag}\b", text)), None)
    name = model[1] if model else platform.machine()
    return f"{name} ({best})" if best else name


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """Return the commit, with `+` where code (not figures) differs from it, or "unknown"."""
    code = (".", ":(exclude)benchmarks/results", ":(exclude)README.md")
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git("diff", "--name-only", "HEAD", "--", *code) else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
