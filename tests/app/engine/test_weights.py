"""What the names and formats in a file of weights tell about where it came from."""

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from app.errors import CheckpointError
from tests.app.conftest import loaded

FILE = "model.safetensors"


def renamed(directory: Path, change: Callable[[str], str | None]) -> None:
    """Give the weights other names; None takes one out."""
    weights = load_file(directory / FILE)
    found = {new: weight for name, weight in weights.items() if (new := change(name)) is not None}
    save_file(found, directory / FILE, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name: f"_fsdp_wrapped_module.{name}", "missing keys.*saved from inside FSDP"),
        (lambda name: f"module._orig_mod.{name}", "missing keys.*saved from inside torch.compile"),
        (
            lambda name: name.replace("former.", "former._orig_mod."),
            r"missing keys.*the file has transformer\._orig_mod.*torch.compile",
        ),
        (
            lambda name: name.replace("c_attn.", "c_attn.base_layer."),
            "saved from inside an adapter",
        ),
        (lambda name: f"model.{name}", "missing keys.*its names begin with 'model.'"),
        (
            lambda name: None if "wte" in name else name,
            r"missing keys \(1: transformer.wte.weight\); the file is incomplete",
        ),
    ],
)
def test_where_the_names_came_from_is_told(
    broken: Path, change: Callable[[str], str | None], said: str
) -> None:
    renamed(broken, change)
    with pytest.raises(CheckpointError, match=said):
        loaded(broken)


@pytest.mark.parametrize("other", ["model.gguf", "tf_model.h5", "flax_model.msgpack"])
def test_weights_of_other_kinds_are_named(broken: Path, other: str) -> None:
    (broken / FILE).rename(broken / other)
    with pytest.raises(CheckpointError, match=f"no weights .*found {other}"):
        loaded(broken)
