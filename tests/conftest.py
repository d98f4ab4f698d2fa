"""A tiny pair of models, made in seconds by the project's own training code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings
from transformers import GPT2Config, GPT2LMHeadModel, set_seed

from training.trainer.base_model import load_base
from training.trainer.corpus import train_tokenizer
from training.trainer.saving import save_model

if TYPE_CHECKING:
    from tests.app.server_process import Server

CONTEXT_TOKENS = 128

settings.register_profile("default", max_examples=50)
settings.register_profile("soak", max_examples=400)
settings.load_profile("default")

SENTENCES = [
    "Asthma is a disease of the airways in the lungs.",
    "What are the symptoms of asthma? Wheezing, coughing and shortness of breath.",
    "Diabetes is a disease in which blood sugar is too high.",
    "How is diabetes treated? With diet, exercise and insulin.",
    "A stroke happens when blood flow to the brain stops.",
]


torch.set_num_threads(1)  # before the first fixture of a module or session makes anything


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from threads, and results repeat whatever a test before set."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)  # pre-training sets it for the whole process


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `base` and `fine-tuned`: 2 layers, 32 wide, random weights."""
    directory = tmp_path_factory.mktemp("pair")
    set_seed(7)
    tokenizer = train_tokenizer(iter(SENTENCES * 3), 400, CONTEXT_TOKENS)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=CONTEXT_TOKENS,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=0.3,  # far from uniform, so that arg-max is not a coin toss
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    save_model(GPT2LMHeadModel(config), tokenizer, directory / "base", torch.float32)
    model, extended = load_base(str(directory / "base"), None, dropout=0.0)
    save_model(model, extended, directory / "fine-tuned", torch.float32)
    return directory


@pytest.fixture(scope="session")
def reading_pair(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pair, whose fine-tuned model has the marker of passages; it learned nothing."""
    from training.reading.stage import with_context  # here: most tests need nothing of it
    from training.trainer.base_model import load_to_go_on

    directory = tmp_path_factory.mktemp("reading-pair")
    model, tokenizer = load_to_go_on(pair / "fine-tuned", dropout=0.0)
    with_context(model, tokenizer)
    save_model(model, tokenizer, directory / "fine-tuned", torch.float32)
    (directory / "base").symlink_to(pair / "base")
    return directory


@pytest.fixture(scope="session")
def demo() -> "Iterator[Server]":
    """The service as `make serve` starts it, with the embedded pair."""
    from tests.app.server_process import Server  # here: most tests need nothing of the service

    running = Server(MEDQA_REFERENCES="")  # empty is unset: the index in the repository
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture
def broken(pair: Path, tmp_path: Path) -> Path:
    """A copy of the fine-tuned directory, for a test to break."""
    copy = tmp_path / "broken"
    copy.mkdir()
    for file in (pair / "fine-tuned").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def edit_json(path: Path, **fields: object) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
