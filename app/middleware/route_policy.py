"""Which routes need no key, which are counted, and which path a request asks for."""

from starlette.types import Scope

DOCUMENTATION = "/docs"
PROBES = {"/healthz", "/readyz", "/metrics"}
# Whatever is not listed needs a key, so that a new route cannot be left open by forgetting it.
# The page and the documentation hold nothing secret, and a browser cannot send a key to open them.
_OPEN = PROBES | {"/", "/openapi.json", "/favicon.ico", DOCUMENTATION}
_OPEN_UNDER = "/web/"
_COUNTED = {
    ("POST", "/answer"),
    ("POST", "/compare"),
    ("GET", "/references"),
    ("POST", "/references"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/chat/completions"),
}


def route_path(scope: Scope) -> str:
    """Return the path without the prefix that a proxy serves this app under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def needs_key(path: str) -> bool:
    """Whether a path is for holders of a key, where keys are set."""
    return path not in _OPEN and not path.startswith(_OPEN_UNDER)


def is_counted(method: str, path: str) -> bool:
    """Whether a request asks for an answer or a search, and so counts against the rate limit."""
    return ("GET" if method == "HEAD" else method, path) in _COUNTED
