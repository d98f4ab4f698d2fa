"""What a setting's text must be: each check says in a few words what is wrong, never the value."""

import ipaddress
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from annotated_types import Ge
from limits import parse_many
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from app.middleware.api_keys import ApiKey, parse_key, read_keys
from app.red_flags.notices import regions

Positive = Annotated[int, Ge(1)]


def _split(value: Any) -> Any:
    """Split at commas; NoDecode keeps pydantic-settings from expecting JSON."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if value and not parts:
        raise ValueError("names nothing; leave it out")
    return parts


def _key(value: Any) -> Any:
    return parse_key(value) if isinstance(value, str) else value


def _keys_file(file: Path | None) -> Path | None:
    if file:
        read_keys(file)
    return file


def _origin(origin: str) -> str:
    """Refuse what no browser would ever send as its origin, and so would silently never match."""
    if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@*]+", origin):
        raise ValueError(f"{origin!r} is not an origin such as https://example.org (or *)")
    return origin.lower()


def _host(host: str) -> str:
    """Refuse what no request names: a URL, a path, a port, a `*` in the middle."""
    if host != "*" and not re.fullmatch(r"(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host):
        raise ValueError(f"{host!r} is not a host such as example.org or *.example.org")
    return host.lower()


def _proxy(proxy: str) -> str:
    """Refuse what uvicorn would silently never match."""
    if proxy != "*":
        ipaddress.ip_network(proxy)
    return proxy


def _limit(limit: str) -> str:
    if limit and (len(found := parse_many(limit)) != 1 or found[0].amount < 1):
        raise ValueError("must be one limit of at least 1, such as 60/minute")
    return limit


def _storage(uri: str) -> str:
    if uri == "memory://":
        return uri
    if not uri.startswith(("redis://", "rediss://")):
        raise ValueError("must be memory:// or begin with redis:// or rediss://")
    try:
        _ = urlsplit(uri).port
    except ValueError:
        raise ValueError("has no valid port; is a password in it percent-encoded?") from None
    if find_spec("redis") is None:
        raise ValueError("needs the redis package: pip install -e '.[redis]'")
    return uri


def _region(region: str) -> str:
    if region not in (known := regions()):
        raise ValueError(f"must be one of {', '.join(known)}")
    return region


Listed = (NoDecode, BeforeValidator(_split))

Host = Annotated[str, AfterValidator(_host)]
Key = Annotated[ApiKey, BeforeValidator(_key)]
KeysFile = Annotated[Path | None, AfterValidator(_keys_file)]
Limit = Annotated[str, AfterValidator(_limit)]
Origin = Annotated[str, AfterValidator(_origin)]
Proxy = Annotated[str, AfterValidator(_proxy)]
Region = Annotated[str, AfterValidator(_region)]
Storage = Annotated[str, AfterValidator(_storage)]
