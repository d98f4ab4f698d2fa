"""Names in the environment that were meant as settings and are none: a typo must not fail open.

`MEDQA_API_KEY` for `MEDQA_API_KEYS` would start a service that anybody may ask.
"""

import re
from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA

_PREFIX = "MEDQA_"
_ANOTHERS = "MEDIA_PORT"  # what Kubernetes puts into the pods beside a service named media
# What Kubernetes puts into the pods beside a service of this name.
_SERVICE_LINK = re.compile(r"MEDQA_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)")


def misspelled(names: Iterable[str], settings: Iterable[str]) -> list[str]:
    """Return a complaint for each name that begins as settings do, or is one edit away from one.

    Args:
        names: of environment variables, or of lines of an `.env` file.
        settings: the settings' field names.

    """
    known = [f"{_PREFIX}{setting.upper()}" for setting in settings]
    complaints = []
    for name in sorted(names):
        spelled = name.upper()
        if spelled in known or spelled == _ANOTHERS or _SERVICE_LINK.fullmatch(spelled):
            continue
        nearest, distance, _ = process.extractOne(spelled, known, scorer=OSA.distance)
        if spelled.startswith(_PREFIX) or distance <= 1:
            complaints.append(f"{name}: there is no such setting; did you mean {nearest}?")
    return complaints
