"""Both models get what the machine has: limits from a card's memory, and no card where a CPU is
asked for."""

import httpx
import pytest

from app.engine.backends.cards import Card
from app.engine.backends.device import Decision
from app.loading import limits
from app.settings import Settings
from tests.app.server_process import Server

GIB = 1024**3
TRAPPED = """
import os, sys, torch
os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # all that keeps it away is what it is told

def touched(*_, **__):
    os.write(2, b"CUDA WAS TOUCHED\\n")
    os._exit(7)

for name in ("is_available", "device_count", "init", "_lazy_init", "current_device",
             "get_device_properties", "mem_get_info", "is_bf16_supported"):
    setattr(torch.cuda, name, touched)
"""


def on_card(gibibytes: int, models: int = 2) -> Decision:
    card = Card("NVIDIA A10", (8, 6), gibibytes * GIB)
    return Decision("cuda:0", "bfloat16", "torch", "asked for", card, models)


def test_a_cards_memory_decides_what_nobody_has_set() -> None:
    settings = Settings(_env_file=None)
    small, large = limits(settings, on_card(8)), limits(settings, on_card(80))
    assert (small.max_running, small.max_batch_tokens) == (64, 512)
    assert (large.max_running, large.max_batch_tokens) == (256, 2048)
    assert small.cache_tokens < large.cache_tokens
    assert (
        limits(settings, on_card(16, models=1)).cache_tokens
        > limits(settings, on_card(16)).cache_tokens
    )


def test_what_was_set_wins() -> None:
    settings = Settings(_env_file=None, max_running=5, max_batch_tokens=99)
    chosen = limits(settings, on_card(80))
    assert (chosen.max_running, chosen.max_batch_tokens) == (5, 99)
    assert chosen.cache_tokens == 262_144


def test_without_a_card_the_settings_are_the_limits() -> None:
    settings = Settings(_env_file=None)
    chosen = limits(settings, Decision("cpu", "float32", "openvino", "there is no card"))
    assert chosen.max_running == settings.max_running
    assert chosen.max_batch_tokens == settings.max_batch_tokens
    assert chosen.cache_tokens == settings.cache_tokens


def test_a_process_that_is_told_cpu_never_touches_cuda(pair: object) -> None:
    running = Server(
        in_workers=TRAPPED,
        MEDQA_DEVICE="cpu",
        MEDQA_FINE_TUNED_MODEL=f"{pair}/fine-tuned",
        MEDQA_BASE_MODEL=f"{pair}/base",
        MEDQA_DEFAULT_NEW_TOKENS="5",
    )
    try:
        running.wait_until_ready()
        asked = httpx.post(f"{running.url}/compare", json={"question": "What?"}, timeout=60)
        assert asked.status_code == 200
        models = httpx.get(f"{running.url}/info").json()["models"]
        assert {model["device_reason"] for model in models} == {"asked for"}
        assert {model["max_running"] for model in models} == {Settings(_env_file=None).max_running}
    finally:
        output = running.stop()
    assert "CUDA WAS TOUCHED" not in output


@pytest.mark.parametrize("device", ["cuda", "cuda:0,cuda:1"])
def test_a_card_that_was_named_and_is_not_there_stops_the_start(pair: object, device: str) -> None:
    running = Server(
        MEDQA_DEVICE=device,
        MEDQA_FINE_TUNED_MODEL=f"{pair}/fine-tuned",
        MEDQA_BASE_MODEL=f"{pair}/base",
    )
    output = running.wait()
    assert running.process.returncode == 1
    assert "cannot be used: no NVIDIA driver was found" in output
    assert "580.65" in output
