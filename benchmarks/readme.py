"""Write the kept figures into README.md, so that no figure there is typed by hand.

Between `<!-- benchmarks: NAME -->` and `<!-- end -->` stands what `results/NAME.json` renders to;
`demo` is what `python -m training evaluate` found out about the demo pair.
"""

import argparse
import re
from pathlib import Path

from benchmarks.harness.demo_results import demo_results
from benchmarks.harness.results import KEPT, ROOT, Record

_BLOCK = re.compile(r"(<!-- benchmarks: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")


def run(arguments: argparse.Namespace) -> int:
    """Rewrite the file; say what it shows, and what is kept and not shown."""
    text = arguments.readme.read_text(encoding="utf-8")
    arguments.readme.write_text(rendered(text), encoding="utf-8")
    shown = {name for _, name, _ in _BLOCK.findall(text)}
    kept = {path.stem for path in KEPT.glob("*.json")}
    print(f"{arguments.readme} shows {', '.join(sorted(shown))}")
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
    return demo_results() if name == "demo" else Record.read(KEPT / f"{name}.json").markdown()
