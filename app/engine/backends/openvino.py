"""GPT-2 on a CPU through OpenVINO: the default there, with neither torch nor transformers.

Knows nothing about requests. Formats: `float32` is exact; `bfloat16` computes the layers in 16
bits, keys and values too; `int8` holds each matrix as 8 bits with a scale per output. In each of
them a token's logits are the same alone and beside others.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from app.engine.backends.gpt2 import GPT2
from app.engine.backends.interface import Run
from app.engine.backends.openvino_graph import BLOCK_TOKENS, graphs
from app.engine.backends.openvino_runtime import ov
from app.engine.weights import Array
from app.errors import CheckpointError

FORMATS = ("float32", "bfloat16", "int8")
_OUT_OF_MEMORY = ("bad_alloc", "allocate", "out of memory", "not enough memory")


class OpenVINO:
    """One model, compiled, with its blocks of keys and values."""

    block_tokens = BLOCK_TOKENS

    def __init__(self, model: GPT2, *, blocks: int, number_format: str, threads: int) -> None:
        """Read the weights and compile; nothing of the files is needed afterwards.

        The memory of a block is taken when it is first written.

        Raises:
            UnsupportedArchitecture: the graph does not cover this model.
            CheckpointError: a weight must not be served, or the format is not for this processor.

        """
        core = ov.Core()
        _check(number_format, core)
        self.blocks = blocks
        self._tokens, self._positions = model.embeddings()
        built = graphs(model, self._tokens, int8=number_format == "int8")
        layers = core.compile_model(built.layers, "CPU", _settings(number_format, threads))
        head_format = "int8" if number_format == "int8" else "float32"
        head = core.compile_model(built.head, "CPU", _settings(head_format, threads))
        self._layers, self._head = layers.create_infer_request(), head.create_infer_request()
        for found in layers.inputs:
            if "_cache." in found.get_any_name():
                block = [size.get_length() for size in list(found.partial_shape)[1:]]
                cache = ov.Tensor(found.element_type, ov.Shape([blocks, *block]))
                self._layers.set_tensor(found.get_any_name(), cache)

    def forward(self, runs: Sequence[Run]) -> Array:
        """Read all runs in one step; return the wanted logits [wanted, vocabulary].

        The array is overwritten by the next call.
        """
        lengths = [len(run.tokens) for run in runs]
        ends = list(accumulate(lengths))
        known = np.array([run.kv_length for run in runs], np.int32)
        after = known + np.array(lengths, np.int32)
        used = [-(-int(length) // BLOCK_TOKENS) for length in after]
        ids = np.fromiter((token for run in runs for token in run.tokens), np.int64, ends[-1])
        places = np.concatenate([np.arange(*span) for span in zip(known, after, strict=True)])
        inputs = {
            "hidden": self._tokens[ids] + self._positions[places],
            "past_lens": known,
            "subsequence_begins": np.array([0, *ends], np.int32),
            "block_indices": np.array(
                [b for run, n in zip(runs, used, strict=True) for b in run.blocks[:n]], np.int32
            ),
            "block_indices_begins": np.array([0, *accumulate(used)], np.int32),
            "max_context_len": np.array(after.max(), np.int32),
        }
        hidden = _infer(self._layers, inputs)
        wanted = [
            row for run, end in zip(runs, ends, strict=True) for row in range(end - run.wanted, end)
        ]
        if not wanted:
            return np.empty((0, len(self._tokens)), np.float32)
        return _infer(self._head, {"rows": hidden[wanted]})

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Whether an error that `forward` raised says that memory ran out."""
        words = str(error).lower()
        return isinstance(error, MemoryError) or (
            isinstance(error, RuntimeError) and any(each in words for each in _OUT_OF_MEMORY)
        )


def _infer(request: Any, inputs: dict[str, Any]) -> Array:
    for name, array in inputs.items():
        request.set_tensor(name, ov.Tensor(array, shared_memory=array.ndim > 0))
    request.infer()
    output: Array = request.get_output_tensor(0).data
    return output


def _check(number_format: str, core: Any) -> None:
    if number_format not in FORMATS:
        raise CheckpointError(
            f"dtype {number_format} does not run on a CPU; use one of {', '.join(FORMATS)}"
        )
    if number_format == "bfloat16":
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "BF16" not in able:
            raise CheckpointError(
                "dtype bfloat16 needs a processor that computes in it (AVX-512 BF16 or AMX); "
                "float32 or int8 run here"
            )


def _settings(number_format: str, threads: int) -> dict[str, Any]:
    precision = "bf16" if number_format == "bfloat16" else "f32"
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # or each model's process takes the same first cores
        "INFERENCE_PRECISION_HINT": precision,
        "KV_CACHE_PRECISION": precision,  # else 8 bits, which cost more than they save here
    }
