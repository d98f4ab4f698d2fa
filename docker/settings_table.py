"""Write the table of every setting into docker/README.md: `python docker/settings_table.py`.

Made from `Settings` itself, so that it cannot say anything else; a test fails when it is stale.
"""

import sys
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docker/README.md"
BEGIN, END = "<!-- settings: python docker/settings_table.py -->", "<!-- end of settings -->"
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}


def table() -> str:
    """Return Markdown: each variable, what it takes, its default, and what it is for."""
    sys.path.insert(0, str(ROOT))
    from app.settings import Settings

    lines = ["| variable | takes | default | |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        variable = f"`MEDQA_{name.upper()}`"
        default = _default(field.get_default())
        lines.append(
            f"| {variable} | {_takes(field.annotation)} | {default} | {field.description} |"
        )
    return "\n".join(lines)


def page_with_table(text: str) -> str:
    """Return the page with what is between the markers replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _takes(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _takes(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is list:
        return "list"
    if get_origin(annotation) in {Union, UnionType}:
        return next(_takes(kind) for kind in get_args(annotation) if kind is not type(None))
    return _NAMES[annotation]


def _default(value: Any) -> str:
    if value is None or value in ("", []):
        return ""
    if isinstance(value, list):
        value = ",".join(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
