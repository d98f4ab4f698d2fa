"""OpenVINO GenAI's continuous batching; it puts paged attention into the graph itself."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from benchmarks.peers.contract import Case, Prompts, Unsupported

PACKAGES: tuple[str, ...] = ("openvino-genai", "openvino-tokenizers", "nncf")
_CACHE_GIGABYTES = 4
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
_FORMS: Mapping[str, tuple[int, dict[str, str]]] = MappingProxyType(
    {"fp32": (4, _EXACT), "int8": (1, {})}  # int8 by its defaults: as fast as it can
)


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model exactly, and with int8 weights as NNCF makes them."""
    import nncf
    import openvino
    import openvino_tokenizers

    from benchmarks.peers.stateful_gpt2 import StatefulGPT2

    if device.type != "cpu":
        raise Unsupported("measured on CPUs only")
    nncf.set_log_level("ERROR")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    parts = openvino_tokenizers.convert_tokenizer(tokenizer, with_detokenizer=True)
    found = {}
    for name, (bytes_per_weight, settings) in _FORMS.items():
        graph = StatefulGPT2(directory).logits()
        with tempfile.TemporaryDirectory() as saved:
            for part, kind in zip(parts, ("tokenizer", "detokenizer"), strict=True):
                openvino.save_model(part, f"{saved}/openvino_{kind}.xml")
            small = nncf.compress_weights(graph) if name == "int8" else graph
            openvino.save_model(small, f"{saved}/openvino_model.xml", compress_to_fp16=False)
            (Path(saved) / "config.json").write_bytes((directory / "config.json").read_bytes())
            found[f"OpenVINO GenAI, {name}"] = Case(
                partial(_run, _pipeline(saved, settings)), bytes_per_weight
            )
    return found


def _pipeline(saved: str, settings: Mapping[str, str]) -> Any:
    import openvino_genai

    scheduling = openvino_genai.SchedulerConfig()
    scheduling.cache_size = _CACHE_GIGABYTES
    scheduling.enable_prefix_caching = False  # prompts come again in each round
    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
    return openvino_genai.ContinuousBatchingPipeline(
        saved, scheduling, "CPU", properties=threads | dict(settings)
    )


def _run(pipeline: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    import openvino
    import openvino_genai

    settings = openvino_genai.GenerationConfig(
        max_new_tokens=new_tokens, ignore_eos=True, do_sample=False
    )
    made = pipeline.generate(
        [openvino.Tensor(np.array([prompt], dtype=np.int64)) for prompt in prompts],
        [settings] * len(prompts),
    )
    return [list(each.m_generation_ids[0]) for each in made]
