"""A base of Llama's shape: trained, called what it is, and served by a small service."""

import json
from pathlib import Path

import httpx
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, set_seed

from tests.app.server_process import Server
from tests.conftest import CONTEXT_TOKENS, SENTENCES
from tests.training.conftest import write_table
from tests.training.test_finetune import ANSWER, QUESTION, recipe
from training.finetune import finetune
from training.trainer.corpus import train_tokenizer
from training.trainer.saving import save_model


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    set_seed(7)
    tokenizer = train_tokenizer(iter(SENTENCES * 3), 400, CONTEXT_TOKENS)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    save_model(LlamaForCausalLM(config), tokenizer, directory / "base", torch.float32)
    rows = {QUESTION: ANSWER, "How is it treated?": "With rest and fluids."}
    data = write_table(directory / "data", {"train": rows, "valid_unseen": rows})
    finetune(recipe(60, dropout=0.1), data, str(directory / "base"), directory / "model")
    return directory


def test_the_model_is_called_what_it_is(taught: Path) -> None:
    config = json.loads((taught / "model" / "config.json").read_text())
    assert (config["model_type"], config["num_key_value_heads"]) == ("llama", 2)
    assert config["attention_dropout"] == 0.1
    assert not {"resid_pdrop", "embd_pdrop", "attn_pdrop"} & config.keys()
    card = (taught / "model" / "README.md").read_text()
    assert "\n- llama\n" in card
    assert "M Llama that answers" in card
    assert "GPT-2" not in card.split("## For")[0]


def test_it_is_served_beside_its_base(taught: Path) -> None:
    running = Server(
        MEDQA_FINE_TUNED_MODEL=str(taught / "model"), MEDQA_BASE_MODEL=str(taught / "base")
    )
    try:
        running.wait_until_ready()
        reply = httpx.post(f"{running.url}/answer", json={"question": QUESTION}).json()
    finally:
        running.stop()
    assert reply["answer"] == ANSWER
    assert reply["finish_reason"] == "end"
