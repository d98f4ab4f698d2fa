"""The baseline server: what a tutorial builds, one `generate()` in fp32 for each request.

`uvicorn benchmarks.peers.naive:app` with NAIVE_MODEL naming a model directory, and
NAIVE_BASE a second one if there is to be one; NAIVE_DEVICE says where they run. FastAPI runs the
sync endpoint in its thread pool, so concurrent requests compete for the same cores.
"""

import os
from functools import cache
from typing import Any

import torch
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModelForCausalLM, AutoTokenizer

app = FastAPI()

_MODELS = {"fine-tuned": "NAIVE_MODEL", "base": "NAIVE_BASE"}


class Question(BaseModel):
    """A question, how long its answer may be, and which model is to give it."""

    question: str
    max_new_tokens: int
    model: str = "fine-tuned"


@cache
def _loaded(name: str) -> tuple[Any, Any]:
    directory = os.environ[_MODELS[name]]
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    device = os.environ.get("NAIVE_DEVICE", device)
    return model.to(device).eval(), AutoTokenizer.from_pretrained(directory)


@app.get("/readyz")
def ready() -> str:
    """Load what there is; answer once it is there."""
    for name, variable in _MODELS.items():
        if variable in os.environ:
            _loaded(name)
    return "ready"


@app.post("/answer")
def answer(body: Question) -> dict[str, Any]:
    """Answer by `generate()`."""
    model, tokenizer = _loaded(body.model)
    prompt = f"<question>{body.question}<answer>"
    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
    output = model.generate(
        **inputs, max_new_tokens=body.max_new_tokens, do_sample=False, pad_token_id=0
    )
    ids = output[0, inputs["input_ids"].shape[1] :]
    return {
        "answer": tokenizer.decode(ids, skip_special_tokens=True),
        "usage": {"completion_tokens": len(ids)},
    }
