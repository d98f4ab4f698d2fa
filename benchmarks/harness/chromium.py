"""A real Chromium for the page's tests and measures: Debian's package, driven by Playwright."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",  # containers, and root, have none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends"]
_INSTALL_SECONDS = 280


class NoChromium(Exception):
    """There is no Chromium here, and it could not be installed."""


def executable() -> str:
    """Return Chromium's path, after installing Debian's package where that is possible.

    Raises:
        NoChromium: it is missing, and this is not root on a Debian that can install it.

    """
    with (Path(tempfile.gettempdir()) / f"medqa-chromium-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests run in several processes, and apt-get in one
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        if found:
            return found
        install("chromium")
    found = shutil.which("chromium")
    if not found:
        raise NoChromium("apt-get installed chromium, and it is not there")
    return found


def install(*packages: str) -> None:
    """Install Debian packages, and say so.

    Raises:
        NoChromium: this is not root on a Debian, or apt-get failed.

    """
    wanted = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoChromium(f"install it first: apt-get install {wanted}")
    print(f"Installing {wanted} with apt-get (once)…", file=sys.stderr, flush=True)
    for command in (["apt-get", "update"], [*_INSTALL, *packages]):
        done = subprocess.run(
            command,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            raise NoChromium(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium without a window; it reaches nothing by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
