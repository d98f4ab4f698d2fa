"""llama.cpp's server, from the wheel of its binding `xllamacpp`.

That wheel is built for every x86-64 with AVX2, and leaves out AVX-512 and AMX: whoever compiles
llama.cpp for their own processor gets more.
"""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from transformers import AutoTokenizer

from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.weights import Weights
from benchmarks.peers.contract import Case, Prompts, Unsupported

PACKAGES: tuple[str, ...] = ("xllamacpp", "gguf")
_SLOTS = 64
_SLOT_TOKENS = 256
_FORMS = {"fp32": ("F32", 4), "int8": ("Q8_0", 1)}
_NAMES = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Write the model as GGUF, exactly and in blocks of 8 bits, and serve each."""
    import xllamacpp

    if device.type != "cpu":
        raise Unsupported("measured on CPUs only")
    found = {}
    for name, (form, bytes_per_weight) in _FORMS.items():
        with tempfile.TemporaryDirectory() as saved:
            settings = xllamacpp.CommonParams()
            settings.model.path = _written(directory, Path(saved) / "model.gguf", form)
            settings.n_parallel, settings.n_ctx = _SLOTS, _SLOTS * _SLOT_TOKENS
            settings.cpuparams.n_threads = torch.get_num_threads()
            settings.cpuparams_batch.n_threads = torch.get_num_threads()
            settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
            settings.cache_prompt, settings.cache_ram_mib = False, 0  # prompts come again
            server = xllamacpp.Server(settings)
        found[f"llama.cpp (AVX2 wheel), {name}"] = Case(partial(_run, server), bytes_per_weight)
    return found


def _written(directory: Path, path: Path, form: str) -> str:
    import gguf

    shape = Shape.of(json.loads((directory / "config.json").read_text()))
    model = GPT2(Weights(directory), shape)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(4 * shape.width)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(shape.epsilon)
    _add_vocabulary(writer, directory, shape.vocabulary)
    kind = gguf.GGMLQuantizationType[form]

    def add(name: str, array: Any, matrix: bool = False) -> None:
        exact = gguf.GGMLQuantizationType.F32
        into = kind if matrix else exact
        packed = gguf.quantize(np.ascontiguousarray(array, np.float32), into)
        writer.add_tensor(name, packed, raw_dtype=into)

    table, positions = model.embeddings()
    add("token_embd.weight", table, matrix=True)
    add("position_embd.weight", positions)
    for layer in range(shape.layers):
        for ours, theirs in _NAMES.items():
            weight = model.read(f"h.{layer}.{ours}.weight")
            add(f"blk.{layer}.{theirs}.weight", weight.T, matrix=weight.ndim > 1)
            add(f"blk.{layer}.{theirs}.bias", model.read(f"h.{layer}.{ours}.bias"))
    for part in ("weight", "bias"):
        add(f"output_norm.{part}", model.read(f"ln_f.{part}"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def _add_vocabulary(writer: Any, directory: Path, size: int) -> None:
    import gguf

    tokenizer = AutoTokenizer.from_pretrained(directory)
    known = {number: token for token, number in tokenizer.get_vocab().items()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([known.get(number, f"[PAD{number}]") for number in range(size)])
    control = set(tokenizer.all_special_ids)
    writer.add_token_types(
        [
            gguf.TokenType.CONTROL if number in control else gguf.TokenType.NORMAL
            for number in range(size)
        ]
    )
    merges = json.loads((directory / "tokenizer.json").read_text())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)


def _run(server: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    def answer(prompt: list[int]) -> list[int]:
        asked = {
            "prompt": prompt,
            "n_predict": new_tokens,
            "temperature": 0.0,
            "ignore_eos": True,
            "cache_prompt": False,
            "return_tokens": True,
        }
        made = httpx.post(f"{server.listening_address}/completion", json=asked, timeout=600)
        return list(made.raise_for_status().json()["tokens"])

    with ThreadPoolExecutor(len(prompts)) as clients:
        return [*clients.map(answer, prompts)]
