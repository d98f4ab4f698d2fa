"""Pictures of the page for the README: the first screen after a question, both themes and widths.

Each must show a published passage and its source, whole, above what the models make of it.

With the fonts that its readers' systems would have: they are installed where they are missing.
"""

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, expect

from app.model_sources import DEMO
from benchmarks.harness.chromium import chromium, install
from benchmarks.harness.servers import pair

_OUT = Path(__file__).parent / "screenshots"
_FONTS = {"Roboto": "fonts-roboto-unhinted", "Charis SIL": "fonts-sil-charis"}
_QUESTION = "Is hemophilia inherited?"
_NEW_TOKENS = "256"  # the fine-tuned answer ends before


class Shot(NamedTuple):
    """One picture: its window in CSS pixels, its theme."""

    name: str
    width: int
    height: int
    dark: bool


_SHOTS = [
    Shot("desktop-light", 1280, 800, dark=False),
    Shot("desktop-dark", 1280, 800, dark=True),
    Shot("phone-light", 390, 844, dark=False),
    Shot("phone-dark", 390, 844, dark=True),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", type=Path, default=_OUT)


def run(arguments: argparse.Namespace) -> int:
    """Write one PNG for each picture."""
    _install_fonts()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with pair(DEMO / "fine-tuned", DEMO / "base") as served, chromium() as browser:
        for shot in _SHOTS:
            path = arguments.out / f"{shot.name}.png"
            _take(browser, str(served.url), shot, path)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def _install_fonts() -> None:
    known = subprocess.run(
        ["fc-list", ":", "family"], capture_output=True, text=True, check=True
    ).stdout
    missing = [package for family, package in _FONTS.items() if family not in known]
    if missing:
        install(*missing)
        if shutil.which("fc-cache"):
            subprocess.run(["fc-cache"], check=True)


def _take(browser: Browser, url: str, shot: Shot, path: Path) -> None:
    page = browser.new_page(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.dark else "light",
        reduced_motion="reduce",
    )
    page.goto(url)
    page.wait_for_selector("#state[data-state=ready]")
    _ask(page)
    page.wait_for_selector("#history li")
    page.wait_for_selector("#state[data-state=ready]")
    page.mouse.move(0, 0)
    page.locator("#question").blur()
    for part in (".passage", ".source"):
        expect(page.locator(part).first).to_be_in_viewport(ratio=1)
    page.screenshot(path=path)
    page.close()


def _ask(page: Page) -> None:
    settings = page.get_by_role("button", name="Settings")
    settings.click()
    page.get_by_label("Longest answer").fill(_NEW_TOKENS)
    settings.click()
    page.locator("#question").fill(_QUESTION)
    page.locator("#question").press("Enter")
