"""CTranslate2, a C++ engine for transformers; its own converter reads the model directory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from benchmarks.peers.contract import Case, Prompts

PACKAGES: tuple[str, ...] = ("ctranslate2",)
_FORMATS = {"float32": ("fp32", 4), "bfloat16": ("bf16", 2), "int8": ("int8", 1)}


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Convert the model once, and load it in each format that CTranslate2 has for this device."""
    import ctranslate2  # an optional package

    with converted(directory) as (model, tokens):
        kinds = ctranslate2.get_supported_compute_types(device.type)
        return {
            f"CTranslate2, {name}": Case(
                partial(_run, generator(model, device, kind), tokens), bytes_per_weight
            )
            for kind, (name, bytes_per_weight) in _FORMATS.items()
            if kind in kinds
        }


@contextmanager
def converted(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Give a directory with the converted model, for as long as needed, and its tokens in order."""
    from ctranslate2.converters import TransformersConverter

    with tempfile.TemporaryDirectory() as prepared, tempfile.TemporaryDirectory() as model:
        tokens = _full_vocabulary(directory, Path(prepared))
        TransformersConverter(prepared).convert(model, force=True)
        yield model, tokens


def generator(model: str, device: torch.device, kind: str) -> Any:
    """Load a converted model."""
    import ctranslate2

    return ctranslate2.Generator(
        model,
        device=device.type,
        compute_type=kind,
        inter_threads=1,
        intra_threads=torch.get_num_threads(),
    )


def _full_vocabulary(directory: Path, prepared: Path) -> list[str]:
    """Fill a copy of the model directory whose tokenizer knows every row of the embeddings.

    CTranslate2 refuses a vocabulary that is smaller than the model. Returns the tokens in order.
    """
    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    rows = AutoConfig.from_pretrained(directory).vocab_size
    tokenizer.add_tokens([f"<unused-{number}>" for number in range(rows - len(tokenizer))])
    tokenizer.save_pretrained(prepared)
    for name in ("config.json", "model.safetensors"):
        (prepared / name).symlink_to((directory / name).resolve())
    tokens: list[str] = tokenizer.convert_ids_to_tokens(list(range(rows)))
    return tokens


def _run(generator: Any, tokens: list[str], prompts: Prompts, new_tokens: int) -> list[list[int]]:
    results = generator.generate_batch(
        [[tokens[token] for token in prompt] for prompt in prompts],
        max_length=new_tokens,
        min_length=new_tokens,
        beam_size=1,
        include_prompt_in_result=False,
    )
    return [result.sequences_ids[0] for result in results]
