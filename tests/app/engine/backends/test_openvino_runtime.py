"""A process that serves by OpenVINO tells nobody, and imports neither converter nor PyTorch."""

import os
import subprocess
import sys
from pathlib import Path

from tests.app.conftest import ROOT

_WATCHED = """
import sys
def refuse(event, arguments):
    assert not event.startswith(("socket.connect", "socket.getaddrinfo", "urllib")), event
sys.addaudithook(refuse)
"""
_SERVED = """
import json
from pathlib import Path
from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.backends.interface import Run
from app.engine.backends.openvino import OpenVINO
from app.engine.weights import Weights
directory = Path(sys.argv[1])
model = GPT2(Weights(directory), Shape.of(json.loads((directory / "config.json").read_text())))
running = OpenVINO(model, cache_tokens=64, number_format="float32", threads=1)
assert running.forward([Run([1, 2, 3], 0, [0], 1)]).shape == (1, model.shape.vocabulary)
assert not {"torch", "transformers", "openvino.tools.ovc"} & sys.modules.keys()
"""


def test_nothing_phones_home(pair: Path, tmp_path: Path) -> None:
    called = tmp_path / "called"
    (tmp_path / "openvino_telemetry").mkdir()
    (tmp_path / "openvino_telemetry" / "__init__.py").write_text(
        f"open({str(called)!r}, 'w')\nraise ImportError\n"
    )

    def run(script: str) -> None:
        subprocess.run(
            [sys.executable, "-c", _WATCHED + script, str(pair / "base")],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
            check=True,
            timeout=120,
        )

    run(_SERVED)
    assert not called.exists()
    run("import openvino")
    assert called.exists()  # what would have happened
