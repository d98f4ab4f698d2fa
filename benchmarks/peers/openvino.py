"""OpenVINO, Intel's compiler for CPUs: the plain GPT-2 as one graph that keeps its own state."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from benchmarks.peers.contract import Case, Prompts, Unsupported
from benchmarks.peers.plain_gpt2 import next_tokens

PACKAGES: tuple[str, ...] = ("openvino", "nncf")
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Compile the model exactly, in bf16, and with int8 weights as NNCF makes them."""
    import nncf
    import openvino

    if device.type != "cpu":
        raise Unsupported("runs on CPUs and on Intel's own GPUs")
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    graph = _graph(model)
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


class _Exported(torch.nn.Module):
    """The forward pass as OpenVINO can turn it into a graph with state.

    `rows` reorders the cache's batch, as beam search needs: by that gather OpenVINO knows the
    pattern that it runs as one kernel.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: torch.Tensor, rows: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        present: list[torch.Tensor] = []

        def remember(
            layer: int, key: torch.Tensor, value: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            for new, old in zip((key, value), past[2 * layer : 2 * layer + 2], strict=True):
                present.append(torch.cat([old.index_select(0, rows), new], dim=2))
            return present[-2], present[-1]

        before, new = past[0].shape[2], ids.shape[1]
        every = torch.arange(before + new)
        queries = torch.arange(before, before + new)
        mask = every[None, None, None, :] <= queries[None, None, :, None]
        token = next_tokens(self.model, ids, queries, remember, mask)
        return token, *present


def _graph(model: Any) -> Any:
    """Convert the model; keys and values become variables inside the graph."""
    import openvino
    from openvino._offline_transformations import apply_make_stateful_transformation
    from openvino.tools.ovc import convert_model

    config = model.config
    size = config.n_embd // config.n_head
    past = [torch.zeros(2, config.n_head, 3, size) for _ in range(2 * config.n_layer)]
    graph = convert_model(
        _Exported(model),
        example_input=(torch.zeros(2, 4, dtype=torch.long), torch.arange(2), *past),
        input=[
            openvino.PartialShape([-1, -1]),
            openvino.PartialShape([-1]),
            *(openvino.PartialShape([-1, config.n_head, -1, size]) for _ in past),
        ],
    )
    states = dict(_named(graph, len(past)))
    graph.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(graph, states)
    return graph


def _named(graph: Any, states: int) -> Iterator[tuple[str, str]]:
    graph.inputs[0].get_tensor().set_names({"ids"})
    graph.inputs[1].get_tensor().set_names({"rows"})
    for number in range(states):
        graph.inputs[2 + number].get_tensor().set_names({f"past.{number}"})
        graph.outputs[1 + number].get_tensor().set_names({f"present.{number}"})
        yield f"past.{number}", f"present.{number}"


def _compiled(graph: Any, settings: dict[str, Any]) -> Any:
    import openvino

    threads = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    return openvino.compile_model(graph, "CPU", threads | settings).create_infer_request()


def _run(request: Any, prompts: Prompts, new_tokens: int) -> list[list[int]]:
    request.reset_state()
    ids = np.array(prompts, dtype=np.int64)
    rows = np.arange(len(prompts), dtype=np.int64)
    made = []
    for _ in range(new_tokens):
        ids = request.infer({"ids": ids, "rows": rows})[0].copy()
        made.append(ids)
    answers: list[list[int]] = np.concatenate(made, axis=1).tolist()
    return answers
