"""OpenVINO, Intel's compiler for CPUs: GPT-2 as one graph that keeps its own state, in a loop."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers.contract import Case, Prompts, Unsupported

PACKAGES: tuple[str, ...] = ("openvino", "nncf")
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Compile the model exactly, in bf16, and with int8 weights as NNCF makes them."""
    import nncf
    import openvino

    from benchmarks.peers.stateful_gpt2 import StatefulGPT2

    if device.type != "cpu":
        raise Unsupported("runs on CPUs and on Intel's own GPUs")
    graph = StatefulGPT2(directory).likeliest()
    forms = {"fp32": (4, _EXACT)}
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        forms["bf16"] = (2, {"INFERENCE_PRECISION_HINT": "bf16"})
    found = {
        f"OpenVINO, {name}": Case(partial(_run, _compiled(graph, settings)), bytes_per_weight)
        for name, (bytes_per_weight, settings) in forms.items()
    }
    nncf.set_log_level("ERROR")
    small = _compiled(nncf.compress_weights(graph), {})  # its defaults: as fast as it can
    return found | {"OpenVINO, int8": Case(partial(_run, small), 1)}


def _compiled(graph: Any, settings: dict[str, Any]) -> Any:
    import openvino

    threads = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    return openvino.compile_model(graph, "CPU", threads | settings).create_infer_request()


def _run(request: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    request.reset_state()
    ids = np.array(prompts, dtype=np.int64)
    rows, length = ids.shape
    positions = np.arange(length, dtype=np.int64)[None].repeat(rows, 0)
    made: list[Any] = []
    for end in range(length, length + new_tokens):
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones((rows, end), np.int64),
            "position_ids": positions,
            "beam_idx": np.arange(rows, dtype=np.int32),
        }
        ids = request.infer(inputs)[0].copy()
        positions = np.full((rows, 1), end, np.int64)
        made.append(ids)
    answers: list[list[int]] = np.concatenate(made, axis=1).tolist()
    return answers
