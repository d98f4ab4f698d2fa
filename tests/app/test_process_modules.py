"""What each process holds in memory: the server no PyTorch, a model's process no web framework."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.app.server_process import Server

_TELL = (
    "import os, signal, sys\n"
    "def _tell(*_):\n"
    "    with open({path!r} + str(os.getpid()), 'w') as file:\n"
    "        file.write(' '.join({{name.partition('.')[0] for name in sys.modules}}) + ' .')\n"
    "signal.signal(signal.SIGUSR1, _tell)\n"
)


def _modules(process_id: int, prefix: Path) -> set[str]:
    """Have a process write down which packages it has imported; return them."""
    os.kill(process_id, signal.SIGUSR1)
    file = prefix.with_name(f"{prefix.name}{process_id}")
    deadline = time.monotonic() + 20
    while not (file.is_file() and file.read_text().endswith(" .")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return set(file.read_text().split())


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="signals find each process by Linux' means")
def test_the_server_holds_no_torch_and_a_worker_no_web_framework(
    pair: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "modules-"
    tell = _TELL.format(path=str(prefix))
    server = Server(
        tell,
        in_workers=tell,
        MEDQA_FINE_TUNED_MODEL=str(pair / "fine-tuned"),
        MEDQA_BASE_MODEL=str(pair / "base"),
    )
    try:
        server.wait_until_ready()
        held = _modules(server.process.pid, prefix)
        assert {"fastapi", "tokenizers"} <= held
        assert not held & {"torch", "transformers", "pandas", "openvino"}
        for worker in server.workers():
            held = _modules(worker.pid, prefix)
            assert "app" in held
            assert not held & {"fastapi", "starlette", "uvicorn", "pydantic"}
    finally:
        server.stop()
