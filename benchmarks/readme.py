"""Write the kept figures into the READMEs, so that no figure there is typed by hand.

Between `<!-- benchmarks: NAME -->` and `<!-- end -->` stands what `results/NAME.json` renders to;
`demo` and `served` are what `python -m training evaluate` and `evaluate-served` found out about the
demo pair.
"""

import argparse
import re
from pathlib import Path

from benchmarks.harness.demo_results import demo_results
from benchmarks.harness.machine import ROOT
from benchmarks.harness.results import KEPT, Record
from benchmarks.harness.served_results import served_results

PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md"]
_OF_THE_DEMO = {"demo": demo_results, "served": served_results}
_BLOCK = re.compile(r"(<!-- benchmarks: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--readme", type=Path, nargs="+", default=PAGES, help="pages to rewrite (default: ours)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Rewrite the pages; say what each shows, and what is kept and not shown."""
    shown: set[str] = set()
    for page in arguments.readme:
        text = page.read_text(encoding="utf-8")
        page.write_text(rendered(text), encoding="utf-8")
        here = {name for _, name, _ in _BLOCK.findall(text)}
        print(f"{page} shows {', '.join(sorted(here)) or 'nothing'}")
        shown |= here
    kept = {path.stem for path in KEPT.glob("*.json")}
    if kept - shown:
        print(f"kept and not shown: {', '.join(sorted(kept - shown))}")
    return 0


def rendered(text: str) -> str:
    """Return a Markdown text with what stands between its markers made anew.

    Raises:
        FileNotFoundError: a marker names a record that is not kept.

    """
    return _BLOCK.sub(lambda found: f"{found[1]}\n{_section(found[2])}\n\n{found[3]}", text)


def _section(name: str) -> str:
    if name in _OF_THE_DEMO:
        return _OF_THE_DEMO[name]()
    return Record.read(KEPT / f"{name}.json").markdown()
