"""GPT-2 on a CPU through OpenVINO: the default there, with neither torch nor transformers.

Knows nothing about requests. Formats: `float32` is exact; `bfloat16` computes the layers in 16
bits, keys and values too; `int8` holds each matrix as 8 bits with a scale per output, rounds what
it multiplies by to 8 bits as it comes, and holds keys and values in 16. In each of them a token's
logits are the same bits alone, beside others, and where it was guessed before.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import numpy as np

from app.engine.backends.gpt2 import GPT2, NotCovered
from app.engine.backends.interface import Run
from app.engine.backends.openvino_graph import BLOCK_TOKENS, Rounded, graphs
from app.engine.backends.openvino_runtime import ov
from app.engine.weights import Array

_PRECISIONS = MappingProxyType({"float32": "f32", "bfloat16": "bf16", "int8": "f32"})
_CACHED = MappingProxyType({"float32": "f32", "bfloat16": "bf16", "int8": "f16"})
"""What keys and values are held in. Of 8 bits a block is rounded anew for each token that it gets,
so that a token's logits depend on how its text was read."""
_OUT_OF_MEMORY = ("bad_alloc", "allocate", "out of memory", "not enough memory")
_MOST_GUESSED = 16
"""A run with at most as many tokens, all wanted, is a guess to verify."""


class OpenVINO:
    """One model, compiled, with its blocks of keys and values; see `interface.Backend`."""

    block_tokens = BLOCK_TOKENS
    device = "cpu"

    def __init__(self, model: GPT2, *, cache_tokens: int, number_format: str, threads: int) -> None:
        """Read the weights and compile; nothing of the files is needed afterwards.

        There are blocks for `cache_tokens` tokens. Each takes its memory when it is first written.

        Raises:
            NotCovered: it takes another backend to run this model, or this format here.
            CheckpointError: a weight must not be served.

        """
        core = ov.Core()
        _check(model, number_format, core)
        self.number_format = number_format
        self.blocks = -(-cache_tokens // BLOCK_TOKENS)
        self._threads = threads
        table, self._positions = model.embeddings()
        head = model.head(table)
        int8 = number_format == "int8"
        # Tied weights stay one array: what is looked up here is what the head multiplies by.
        self._tokens: Array | Rounded = Rounded.of(table, 1) if int8 else table
        if head is table:
            built = graphs(model, self._tokens)
        else:
            built = graphs(model, Rounded.of(head, 1) if int8 else head)
        self._vocabulary = model.shape.vocabulary
        precision = _PRECISIONS[number_format]
        cached = {"KV_CACHE_PRECISION": _CACHED[number_format]}
        layers = core.compile_model(built.layers, "CPU", _settings(precision, threads) | cached)
        head = core.compile_model(built.head, "CPU", _settings("f32", threads))
        self._layers, self._head = layers.create_infer_request(), head.create_infer_request()
        for found in layers.inputs:
            if "_cache." in found.get_any_name():
                block = [size.get_length() for size in list(found.partial_shape)[1:]]
                cache = ov.Tensor(found.element_type, ov.Shape([self.blocks + 1, *block]))
                self._layers.set_tensor(found.get_any_name(), cache)

    def forward(self, runs: Sequence[Run]) -> Array:
        """Read all runs in one step; return the wanted logits [wanted, vocabulary].

        The array is overwritten by the next call.
        """
        ends = accumulate(len(run.tokens) for run in runs)
        wanted = [
            row for run, end in zip(runs, ends, strict=True) for row in range(end - run.wanted, end)
        ]
        hidden = _infer(self._layers, self._inputs([*self._alike(runs)]))
        if not wanted:
            return np.empty((0, self._vocabulary), np.float32)
        return _infer(self._head, {"rows": hidden[wanted]})

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Whether an error that `forward` raised says that memory ran out: the model lives on."""
        words = str(error).lower()
        return isinstance(error, MemoryError) or (
            isinstance(error, RuntimeError) and any(each in words for each in _OUT_OF_MEMORY)
        )

    def _alike(self, runs: Sequence[Run]) -> Iterator[Run]:
        """Yield the runs such that each of their tokens is computed as it would be alone.

        OpenVINO has one kernel for runs of one token, another for longer ones, and a third where
        there are only runs of one, and fewer than threads. They add in another order, which 16 and
        8 bits make visible. So guesses become runs of one each: all keys are written before any is
        read. And a run of two nobody asked for, in a block of its own, keeps the third kernel away.
        """
        for run in runs:
            if 1 < len(run.tokens) == run.wanted <= _MOST_GUESSED:
                for place, token in enumerate(run.tokens):
                    yield Run([token], run.kv_length + place, run.blocks, 1)
            else:
                yield run
        if len(runs) < self._threads and all(len(run.tokens) == 1 for run in runs):
            yield Run([0, 0], 0, [self.blocks], 0)

    def _inputs(self, runs: Sequence[Run]) -> dict[str, Any]:
        known = np.array([run.kv_length for run in runs], np.int32)
        after = known + np.array([len(run.tokens) for run in runs], np.int32)
        used = -(-after // BLOCK_TOKENS)
        ids = [token for run in runs for token in run.tokens]
        places = [
            place for run in runs for place in range(run.kv_length, run.kv_length + len(run.tokens))
        ]
        blocks = [block for run, n in zip(runs, used, strict=True) for block in run.blocks[:n]]
        return {
            "hidden": self._tokens[ids] + self._positions[places],
            "past_lens": known,
            "subsequence_begins": _begins(after - known),
            "block_indices": np.array(blocks, np.int32),
            "block_indices_begins": _begins(used),
            "max_context_len": np.array(after.max(), np.int32),
        }


def _begins(lengths: Any) -> Any:
    """Return where each of some neighbours begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def _infer(request: Any, inputs: dict[str, Any]) -> Array:
    for name, array in inputs.items():
        request.set_tensor(name, ov.Tensor(array, shared_memory=array.ndim > 0))
    request.infer()
    output: Array = request.get_output_tensor(0).data
    return output


def _check(model: GPT2, number_format: str, core: Any) -> None:
    if number_format not in _PRECISIONS:
        formats = ", ".join(_PRECISIONS)
        raise NotCovered(f"OpenVINO computes in {formats} on a CPU, not in {number_format}")
    if number_format != "bfloat16":
        return
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise NotCovered("this processor has no bfloat16 (AVX-512 BF16 or AMX)")
    if model.shape.head_size % 2:  # its kernel takes numbers by twos, and gives NaN else
        raise NotCovered("OpenVINO's bfloat16 attention needs heads of an even size")


def _settings(precision: str, threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # or each model's process takes the same first cores
        "INFERENCE_PRECISION_HINT": precision,
    }
