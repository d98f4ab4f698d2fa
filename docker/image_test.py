"""Build the image, run it as production would, and hold it to its promises: `make image-test`.

Needs podman with buildah, or docker (ENGINE chooses); as root on Debian it installs the former.
Knows nothing about the code in the image: it asks the container as any client would.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = ROOT.parent / "shared/tools/local-base-image"  # where no registry can be reached
IMAGE, CONTAINER = "localhost/medqa:test", "medqa-image-test"
MAX_IMAGE_GB = 0.45
READY_SECONDS, STOP_SECONDS = 180, 60
QUESTION = {"question": "Is hemophilia inherited?", "max_new_tokens": 40}
LONG_ANSWER = {
    "question": "What is asthma?",
    "model": "base",
    "max_new_tokens": 480,
    "stream": True,
}
CONFINED = [
    *("--read-only", "--tmpfs=/tmp:size=256m,mode=1777", "--cap-drop=all"),
    *("--security-opt=no-new-privileges", "--memory=2g", "--network=host"),
    "--no-healthcheck",  # run by hand below: podman would need systemd for it
    *("--ulimit=nofile=8192:8192", "--ulimit=nproc=4096:4096"),
]
PROBE = """
import os
assert os.getuid() == 10001, os.getuid()
open("/tmp/written", "w").close()
try:
    open("/opt/medqa/written", "w")
except OSError as error:
    print(f"uid {os.getuid()}, root: {error.strerror}")
else:
    raise SystemExit("the root file system can be written")
"""


class Engine:
    """What builds and runs containers here: podman with buildah, else docker."""

    def __init__(self) -> None:
        if not os.environ.get("ENGINE") and not shutil.which("podman") and not _docker_runs():
            _install()
        chosen = os.environ.get("ENGINE") or ("podman" if shutil.which("podman") else "docker")
        self.podman = chosen == "podman"
        # crun refuses machines that mount both versions of cgroups; runc takes either.
        runtime = ["--runtime=runc"] if shutil.which("runc") else []
        self._run = ["podman", *runtime] if self.podman else ["docker"]
        self._build = (
            ["buildah", "build", "--layers", "--format=docker", "--isolation=chroot"]
            if self.podman
            else ["docker", "build"]
        )

    def __call__(self, *arguments: str) -> str:
        """Run the engine; return what it printed."""
        done = subprocess.run(
            [*self._run, *arguments], stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.strip()

    def build(self, context: Path, *arguments: str) -> float:
        """Build the image; return the seconds that it took."""
        started = time.perf_counter()
        subprocess.run([*self._build, *arguments, f"--tag={IMAGE}", str(context)], check=True)
        return time.perf_counter() - started

    def image(self, name: str) -> dict[str, Any]:
        """Return an image's configuration and size."""
        found: list[dict[str, Any]] = json.loads(self("image", "inspect", name))
        return found[0]


def _docker_runs() -> bool:
    """Return whether there is docker, and a daemon that it reaches."""
    return bool(
        shutil.which("docker")
        and not subprocess.run(["docker", "info"], capture_output=True).returncode
    )


def _install() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit("image-test needs podman and buildah, or docker")
    print("Installing podman, buildah and runc by apt-get (once)…", flush=True)
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    packages = ["podman", "buildah", "runc", "catatonit"]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(install + packages, check=True, stdout=subprocess.DEVNULL, env=quiet)


def base_image(engine: Engine) -> str:
    """Return the image to build on: the one that PYTHON_IMAGE names, the stand-in, or "" for ours.

    The stand-in is made once, by the tool beside the checkout.
    """
    if named := os.environ.get("PYTHON_IMAGE"):
        return named
    if not STAND_IN.exists():
        return ""
    name = "localhost/python:3.11"
    if not engine("images", "--quiet", name):
        driver = engine("info", "--format={{.Store.GraphDriverName}}")
        subprocess.run([str(STAND_IN)], check=True, env=os.environ | {"STORAGE_DRIVER": driver})
    return name


def rebuild_after_a_change(engine: Engine, *arguments: str) -> float:
    """Change one file of the app in a copy of the context; return the seconds of the rebuild."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "context"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "data", "gpt2-medquad")
        shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
        shutil.copy(ROOT / ".dockerignore", copy)
        with (copy / "app/__init__.py").open("a") as changed:
            changed.write(f"# {time.time()}\n")
        return engine.build(copy, *arguments)


@contextmanager
def container(engine: Engine, port: int) -> Iterator[None]:
    """Run the image, confined, until the block ends."""
    subprocess.run([*engine._run, "rm", "--force", CONTAINER], capture_output=True, check=False)
    engine("run", "--detach", f"--name={CONTAINER}", *CONFINED, f"--env=MEDQA_PORT={port}", IMAGE)
    try:
        yield
    except BaseException:
        print(engine("logs", CONTAINER), file=sys.stderr)
        raise
    finally:
        engine("rm", "--force", CONTAINER)


def wait_until_ready(port: int) -> float:
    """Return the seconds until /readyz says yes."""
    started = time.perf_counter()
    while time.perf_counter() - started < READY_SECONDS:
        try:
            if _ask(port, "GET", "/readyz").status == 200:
                return time.perf_counter() - started
        except (OSError, HTTPException):
            pass
        time.sleep(0.1)
    raise SystemExit(f"not ready within {READY_SECONDS} s")


def _ask(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=STOP_SECONDS)
    headers = {"Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    return connection.getresponse()


def answers(port: int) -> None:
    """Ask one model, then both."""
    one = json.load(_ask(port, "POST", "/answer", QUESTION))
    print(f"/answer: {one['answer'][:70]}…")
    both = json.load(_ask(port, "POST", "/compare", QUESTION))
    assert one["answer"] == both["fine_tuned"]["answer"], both
    print(f"/compare, base: {both['base']['answer'][:70]!r}…")


def healthcheck(engine: Engine) -> list[str]:
    """Return the command of the image's own HEALTHCHECK."""
    image = engine.image(IMAGE)
    found = image.get("Healthcheck") or image["Config"]["Healthcheck"]
    kind, *command = found["Test"]
    assert kind == "CMD", found
    return [str(part) for part in command]


def stop_while_streaming(engine: Engine, port: int) -> float:
    """Send SIGTERM in the middle of a stream, which must end whole; return seconds to the exit."""
    response = _ask(port, "POST", "/answer", LONG_ANSWER)
    assert response.readline() == b"event: token\n"
    stopping = threading.Thread(target=engine, args=("stop", "-t", str(STOP_SECONDS), CONTAINER))
    started = time.perf_counter()
    stopping.start()
    events = [line.decode().strip() for line in response if line.startswith(b"event:")]
    streamed = time.perf_counter() - started
    stopping.join()
    seconds = time.perf_counter() - started
    code = engine("wait", CONTAINER)
    print(f"SIGTERM: {len(events)} more events in {streamed:.1f} s, the last {events[-1]!r};")
    print(f"  exit {code} after {seconds:.1f} s")
    assert events[-1] == "event: done", events[-3:]
    assert events.count("event: token") > 10, "the stream was over before SIGTERM"
    assert code == "0", engine("logs", CONTAINER)
    return seconds


def main() -> None:
    """Build, run, ask, stop; the first broken promise ends it."""
    engine = Engine()
    base = base_image(engine)
    arguments = [f"--build-arg=PYTHON_IMAGE={base}"] if base else []
    figures = {"build, s": engine.build(ROOT, *arguments)}
    size = engine.image(IMAGE)["Size"]
    if base:
        size -= engine.image(base)["Size"]
        figures["size without the base, GB"] = size / 1e9
    else:
        figures["size with the base, GB"] = size / 1e9
    assert size < MAX_IMAGE_GB * 1e9, figures
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with container(engine, port):
        figures["start to ready, s"] = wait_until_ready(port)
        print(engine("exec", CONTAINER, "python", "-c", PROBE))
        print("HEALTHCHECK:", engine("exec", CONTAINER, *healthcheck(engine)))
        answers(port)
        figures["SIGTERM to exit with a stream running, s"] = stop_while_streaming(engine, port)
    figures["rebuild after a change of the code, s"] = rebuild_after_a_change(engine, *arguments)
    print("\n".join(f"{name}: {value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
