"""GPT-2 as an OpenVINO graph that keeps its own keys and values, as OpenVINO's tools expect one.

What takes their place by paged attention finds them by names, by the first value of each state, and
by a gather of the beams before they grow.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset15 as op

from app.engine.backends.gpt2 import GPT2, Shape
from app.engine.weights import Weights


class StatefulGPT2:
    """A tanh-GELU checkpoint's graph; inputs [batch, new] but `beam_idx` [batch]."""

    def __init__(self, directory: Path) -> None:
        shape = Shape.of(json.loads((directory / "config.json").read_text()))
        self._shape, self._gpt2 = shape, GPT2(Weights(directory), shape)
        self._states: list[Any] = []
        names = ("input_ids", "attention_mask", "position_ids")
        ids, mask, positions = (_parameter(name, [-1, -1]) for name in names)
        self._beams = _parameter("beam_idx", [-1])
        self._inputs = [ids, mask, positions, self._beams]
        zero = op.constant(0)
        batch = op.gather(op.shape_of(ids, output_type="i64"), _longs([0]), zero)
        self._start = op.concat([batch, _longs([shape.heads, 0, shape.head_size])], 0)
        self._visible = _visible(mask, positions)
        self._table, places = self._gpt2.embeddings()
        hidden = op.add(
            op.gather(op.constant(self._table), ids, zero),
            op.gather(op.constant(places), positions, zero),
        )
        for layer in range(shape.layers):
            hidden = self._layer(layer, hidden)
        self._hidden = hidden

    def logits(self) -> openvino.Model:
        """Return the graph whose output is every token's logits, [batch, new, vocabulary]."""
        logits = self._logits(self._hidden)
        logits.output(0).get_tensor().set_names({"logits"})
        return openvino.Model([op.result(logits)], self._states, self._inputs, "gpt2")

    def likeliest(self) -> openvino.Model:
        """Return the graph whose output is the likeliest next token, int64 [batch, 1]."""
        last = op.gather(self._hidden, _longs([-1]), op.constant(1))
        best = op.topk(
            self._logits(last), op.constant(1), 2, "max", "none", index_element_type="i64"
        )
        token = op.squeeze(best.output(1), op.constant(2))
        return openvino.Model([op.result(token)], self._states, self._inputs, "gpt2")

    def _logits(self, hidden: Any) -> Any:
        head = op.constant(self._gpt2.head(self._table))
        return op.matmul(self._norm("ln_f", hidden), head, False, True)

    def _norm(self, name: str, x: Any) -> Any:
        read = self._gpt2.read
        axes = np.array([-1], np.int64)
        normal = op.mvn(x, axes, True, self._shape.epsilon, "inside_sqrt")
        gain, shift = (op.constant(read(f"{name}.{part}")) for part in ("weight", "bias"))
        return op.add(op.multiply(normal, gain), shift)

    def _linear(self, name: str, x: Any) -> Any:
        read = self._gpt2.read
        matrix = op.constant(np.ascontiguousarray(read(f"{name}.weight").T))
        return op.add(op.matmul(x, matrix, False, True), op.constant(read(f"{name}.bias")))

    def _layer(self, layer: int, hidden: Any) -> Any:
        shape, name = self._shape, f"h.{layer}"
        mixed = self._linear(f"{name}.attn.c_attn", self._norm(f"{name}.ln_1", hidden))
        apart = _longs([0, 0, shape.heads, shape.head_size])
        swapped = _longs([0, 2, 1, 3])
        query, key, value = (
            op.transpose(op.reshape(part, apart, True), swapped)
            for part in op.split(mixed, op.constant(2), 3).outputs()
        )
        kept = [self._kept(layer, "key", key), self._kept(layer, "value", value)]
        looked = op.scaled_dot_product_attention(query, *kept, self._visible)
        joined = op.reshape(
            op.transpose(looked, swapped), _longs([0, 0, shape.heads * shape.head_size]), True
        )
        hidden = op.add(hidden, self._linear(f"{name}.attn.c_proj", joined))
        inside = self._linear(f"{name}.mlp.c_fc", self._norm(f"{name}.ln_2", hidden))
        return op.add(hidden, self._linear(f"{name}.mlp.c_proj", op.gelu(inside, "tanh")))

    def _kept(self, layer: int, kind: str, new: Any) -> Any:
        shape = self._shape
        state = f"past_key_values.{layer}.{kind}present.{layer}.{kind}"
        empty = op.broadcast(op.constant(np.float32(0)), self._start)
        block = openvino.PartialShape([-1, shape.heads, -1, shape.head_size])
        before = op.read_value(empty, state, openvino.Type.f32, block)
        grown = op.concat([op.gather(before, self._beams, op.constant(0)), new], 2)
        self._states.append(op.assign(grown, state))
        return grown


def _visible(mask: Any, positions: Any) -> Any:
    """Return where each new token may look, [batch, 1, new, all]: at itself and what is before."""
    middle, last = op.constant([1, 2]), op.constant([1, 3])
    length = op.squeeze(op.gather(op.shape_of(mask), op.constant([1]), op.constant(0)))
    every = op.range(op.constant(np.int64(0)), length, op.constant(np.int64(1)), "i64")
    before = op.less_equal(every, op.unsqueeze(positions, last))
    return op.logical_and(op.unsqueeze(op.convert(mask, "boolean"), middle), before)


def _parameter(name: str, shape: list[int]) -> Any:
    made = op.parameter(shape, np.int32 if name == "beam_idx" else np.int64)
    made.set_friendly_name(name)
    made.output(0).get_tensor().set_names({name})
    return made


def _longs(values: list[int]) -> Any:
    return op.constant(values, openvino.Type.i64)
