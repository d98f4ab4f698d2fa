"""The templates beside this file, filled in; one that lacks a value is an error, not a gap."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def fill(template: str, functions: dict[str, Any] | None = None, /, **values: Any) -> str:
    """Return a template with its values; in HTML every text is escaped.

    Args:
        template: its file name, which ends in `.jinja`.
        functions: that the template may call.
        values: by their names in the template.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(functions or {})
    return environment.get_template(template).render(values)
