"""OpenVINO without its telemetry and its converter: the one place that imports the package.

`import openvino` imports the converter of other formats too, and that reports the import to a web
service through a package of its own. Served models need neither, so both are missing here; the
converter only while OpenVINO is imported, which costs half the time and 9 MB less without it.
"""

import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"
_TELEMETRY = "openvino_telemetry"

_modules: dict[str, Any] = sys.modules
_converter = _modules.get(_CONVERTER)
_modules |= {_CONVERTER: None, _TELEMETRY: None}  # None: such an import fails (Python's own words)

import openvino  # noqa: E402 - not before those two are missing

if _converter is None:
    del _modules[_CONVERTER]
else:
    _modules[_CONVERTER] = _converter

ov = openvino
op = openvino.opset15
Constant = openvino.op.Constant
PagedAttention = openvino.op._PagedAttentionExtension
"""Private, of OpenVINO 2026.4: pyproject.toml's range ends before the next minor version."""
