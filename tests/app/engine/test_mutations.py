"""A hundred damaged copies of a good model directory: refused in one line, or served as it is.

What is served has the ids of transformers' tokenizer, and makes the tokens of its `generate()`.
"""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from app.answering.prompt_format import PromptFormat
from app.engine.checkpoint import Checkpoint
from app.engine.interface import Decoding
from app.errors import CheckpointError
from tests.app.conftest import generated, loaded, made_here
from tests.training.test_mutations import ANY

WEIGHTS = "model.safetensors"
VALUES: list[Any] = [
    None, True, 0, -1, 1, 3, 10**9, 0.5, 1e300, "", "x", "gpt_neo", "gelu", [], [1], {}, {"a": 1},
]  # fmt: skip
QUESTION = "What is asthma?"

Damage = Callable[[Path, random.Random], None]


def change_bytes(directory: Path, chance: random.Random) -> None:
    file = chance.choice(sorted(directory.iterdir()))
    file.write_bytes(chance.choice(ANY)(file.read_bytes(), chance))


def drop_or_empty_a_file(directory: Path, chance: random.Random) -> None:
    file = chance.choice(sorted(directory.iterdir()))
    if chance.random() < 0.7:
        file.unlink()
    else:
        file.write_bytes(b"")


def change_a_value(directory: Path, chance: random.Random) -> None:
    """Give a field of a JSON file another value, another name, or another field's value."""
    file = chance.choice(sorted(directory.glob("*.json")))
    fields = json.loads(file.read_text())
    name, other = (chance.choice(sorted(fields)) for _ in range(2))
    match chance.randrange(4):
        case 0:
            fields[f"{name}_"] = fields.pop(name)
        case 1:
            fields[name], fields[other] = fields[other], fields[name]
        case _:
            fields[name] = chance.choice(VALUES)
    file.write_text(json.dumps(fields))


def change_weights(directory: Path, chance: random.Random) -> None:
    """Rename, drop, swap, reshape, convert or spoil tensors."""
    weights = load_file(directory / WEIGHTS)
    name, other = (chance.choice(sorted(weights)) for _ in range(2))
    weight = weights[name]
    match chance.randrange(7):
        case 0:
            weights[name.replace(".h.", chance.choice([".layers.", ".h.1"]))] = weights.pop(name)
        case 1:
            del weights[name]
        case 2:
            weights[name], weights[other] = weights[other], weight
        case 3:
            weights[name] = weight.t().contiguous() if chance.random() < 0.5 else weight[:-1]
        case 4:
            weights[name] = weight.to(chance.choice([torch.float16, torch.int8, torch.float64]))
        case 5:
            weight.view(-1)[chance.randrange(weight.numel())] = chance.choice(
                [torch.nan, -torch.inf]
            )
        case _:
            weights[f"transformer.h.{chance.randrange(4)}.more"] = weight.clone()
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})


DAMAGES: list[Damage] = [change_bytes, drop_or_empty_a_file, change_a_value, change_weights]


def served(directory: Path) -> tuple[Checkpoint, list[int]] | str:
    """Load a directory as the service does; return it with its prompt, or why it is refused."""
    try:
        checkpoint = loaded(directory)
        prompt_format = PromptFormat.of_model(checkpoint)
    except CheckpointError as error:
        return str(error)
    return checkpoint, prompt_format.encode(QUESTION, checkpoint.tokenizer)


def check(directory: Path) -> bool:
    """Check what becomes of a directory; return whether it is served."""
    found = served(directory)
    if isinstance(found, str):
        assert "\n" not in found
        assert found.startswith(f"{directory}: ")
        return False
    checkpoint, prompt = found
    made = made_here(checkpoint, [prompt], Decoding(12), checkpoint.tokenizer.eos_token_id)
    try:
        theirs = AutoTokenizer.from_pretrained(directory)
        ids = theirs.encode(QUESTION, add_special_tokens=False, split_special_tokens=True)
        theirs_made = generated(checkpoint, prompt, 12)
    except Exception:  # what transformers does not load has nothing to be compared with
        return True
    assert checkpoint.tokenizer.encode(QUESTION) == ids
    assert made == [theirs_made]
    return True


@pytest.mark.parametrize("tenth", range(10))
def test_damaged_model_directories(pair: Path, tmp_path: Path, tenth: int) -> None:
    whole = 0
    for seed in range(10 * tenth, 10 * tenth + 10):
        chance = random.Random(seed)
        directory = Path(shutil.copytree(pair / "fine-tuned", tmp_path / str(seed)))
        chance.choice(DAMAGES)(directory, chance)
        try:
            whole += check(directory)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    assert whole > 0, "not everything is refused"
