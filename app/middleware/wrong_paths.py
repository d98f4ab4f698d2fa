"""What to say of a path or a method that no route has: which one was meant.

Most such requests come of a client's base URL, or of an API of OpenAI's that is not here.
"""

import re
from collections.abc import Container

_OPENAI = ("/v1/models", "/v1/completions", "/v1/chat/completions")
WITHOUT_PREFIX = frozenset({"/models", "/completions", "/chat/completions", "/responses"})
"""Where OpenAI's clients ask when their base URL lacks its /v1."""
_SLASHES = re.compile(r"/{2,}|/$")
_TWICE = re.compile(r"(/v1){2,}(?=/|$)")


def advice(path: str, paths: Container[str]) -> str:
    """Return what to say of an unknown path, the service's own prefix taken off.

    `paths` are those that there are.
    """
    plain = _SLASHES.sub("/", path).rstrip("/")
    if plain != path and plain in paths:
        return f"Nothing is here: the path has a slash too many, where {plain!r} was meant."
    if _TWICE.match(path):
        meant = _TWICE.sub("/v1", path)[:100]
        return (
            f"The path has /v1 more than once, where {meant!r} was meant: some clients add it to "
            "their base URL, others expect it there."
        )
    if path in WITHOUT_PREFIX:
        return f"OpenAI's API is under /v1: the client's base URL must end in it (/v1{path})."
    if path == "/v1/responses" or path.startswith("/v1/responses/"):
        return (
            "This service has no Responses API: have the client ask /v1/chat/completions "
            "(openai-python: `chat.completions.create`; Vercel's AI SDK: `provider.chat(model)`)."
        )
    if path == "/v1" or path.startswith("/v1/"):
        return f"Nothing is here. Of OpenAI's API this service has {', '.join(_OPENAI)}."
    return "Nothing is here; /docs lists what there is."


def methods_advice(method: str, allowed: str) -> str:
    """Return what to say of a method that a path does not take."""
    return f"{method[:20]} is not taken here; {allowed} is." if allowed else "Method Not Allowed"


def with_head(allowed: str) -> str:
    """Return the methods that a path takes, with HEAD where there is GET."""
    methods = [method for each in allowed.split(",") if (method := each.strip())]
    return ", ".join(methods + ["HEAD"] * ("GET" in methods and "HEAD" not in methods))
