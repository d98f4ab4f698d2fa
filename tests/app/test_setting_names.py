"""A mistyped setting is refused at start, whatever the typo."""

import string

import pytest

from app.setting_names import misspelled
from app.settings import Settings

NAMES = [f"MEDQA_{name.upper()}" for name in Settings.model_fields]


def _edits(name: str) -> set[str]:
    """Return every name that is one letter more, less, other or swapped."""
    letters = string.ascii_uppercase + "_"
    found = set()
    for place in range(len(name) + 1):
        before, after = name[:place], name[place:]
        found |= {before + letter + after for letter in letters}
        found |= {before + letter + after[1:] for letter in letters if after}
        found |= {before + after[1:]} if after else set()
        found |= {before + after[1] + after[0] + after[2:]} if len(after) > 1 else set()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_mistyped_by_one_edit(name: str) -> None:
    wrong = _edits(name) - {*NAMES, "MEDIA_PORT"}
    complaints = misspelled(wrong, Settings.model_fields)
    assert len(complaints) == len(wrong)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MEDQA_API_KEY", "MEDQA_API_KEYS"),
        ("MEDQA_APIKEYS", "MEDQA_API_KEYS"),
        ("MEDQA_RATELIMIT", "MEDQA_RATE_LIMIT"),
        ("medqa_rate_limits", "MEDQA_RATE_LIMIT"),
        ("MEDQA_TIMEOUT", "MEDQA_"),
    ],
)
def test_the_nearest_right_one_is_named(name: str, meant: str) -> None:
    [complaint] = misspelled([name], Settings.model_fields)
    assert complaint.startswith(f"{name}: there is no such setting; did you mean {meant}")


def test_what_is_no_setting_is_left_alone() -> None:
    others = [
        "PATH",
        "HOME",
        "MEDIA_PORT",
        "MEDIA_ROOT",
        "MEDQA_SERVICE_HOST",
        "MEDQA_PORT_8000_TCP_ADDR",
    ]
    assert misspelled([*others, *NAMES, "medqa_host"], Settings.model_fields) == []
