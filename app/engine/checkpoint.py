"""INTERIM until engine-openvino's own is merged."""
import json, os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.backends.openvino import OpenVINO
from app.engine.interface import Source
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from app.engine.weights import Weights
from app.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    source: str
    directory: Path
    revision: str | None
    backend: Any
    tokenizer: Tokenizer
    parameters: int
    context_tokens: int
    device: str
    dtype: str
    no_repeat_ngram_size: int


def load(source: Source, *, device: str, dtype: str, threads: int, cache_tokens: int) -> Checkpoint:
    directory = Path(source.name)
    try:
        shape = Shape.of(json.loads((directory / "config.json").read_text()))
        model = GPT2(Weights(directory), shape)
        dtype = "float32" if dtype == "auto" else dtype
        tokens = max(cache_tokens, shape.context_tokens)
        backend = OpenVINO(model, blocks=-(-tokens // 32), number_format=dtype, threads=threads or len(os.sched_getaffinity(0)))
    except (CheckpointError, OSError) as error:
        raise CheckpointError(f"{source.name}: {error}") from error
    size = 0
    try:
        size = json.loads((directory / "generation_config.json").read_text()).get("no_repeat_ngram_size") or 0
    except OSError:
        pass
    return Checkpoint(source.name, directory, None, backend, read_tokenizer(directory), model.parameters, shape.context_tokens, "cpu", dtype, size)
