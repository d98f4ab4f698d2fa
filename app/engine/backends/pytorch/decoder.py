"""Any decoder that transformers knows, by its public API: correct, slow, one request after another.

For models that are no GPT-2. A block is as long as the context and belongs to one request, whose
keys and values transformers keeps in a cache of its own; number format float32.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
)

from app.engine.backends import out_of_memory
from app.engine.backends.interface import Run
from app.engine.weights import first_few
from app.errors import CheckpointError

_TRIED = (7, 5, 9, 5, 8, 6)
_TOLERANCE = 1e-3
"""Of the largest logit: sums are made in another order."""


class TorchDecoder:
    """A causal language model of transformers; see `interface.Backend`."""

    number_format = "float32"

    def __init__(self, directory: Path, device: torch.device, cache_tokens: int) -> None:
        """Load a model directory.

        Raises:
            CheckpointError: it must not be served; says why.

        """
        try:
            config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
            _require_decoder(config)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                directory,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                disable_mmap=True,  # or a file written over would change, or end, what is served
                output_loading_info=True,
            )
        except CheckpointError:
            raise
        except Exception as error:  # whatever three libraries raise over files that are garbage
            raise CheckpointError(f"cannot be read: {_said(error)}") from error
        model, report = loaded
        for kind in ("missing", "mismatched"):
            if keys := report[f"{kind}_keys"]:
                raise CheckpointError(
                    f"its weights have {kind} keys ({first_few(map(_named, keys))}): the file is "
                    "incomplete, or config.json describes another model"
                )
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise CheckpointError("its weights hold numbers that are infinite or none at all (NaN)")
        context = getattr(config, "max_position_embeddings", None)
        if not isinstance(context, int):
            raise CheckpointError("its config.json does not say how long its context is")
        self.device = str(device)
        self.context_tokens = self.block_tokens = context
        self.parameters = int(model.num_parameters())
        self.blocks = -(-cache_tokens // context)
        self._model = model.to(device).eval()
        self._caches: dict[int, DynamicCache] = {}
        self._require_pieces(int(getattr(config, "vocab_size", 1)))

    def _require_pieces(self, vocabulary: int) -> None:
        """Refuse a model that reads a text in pieces otherwise than at once, or not at all.

        Raises:
            CheckpointError: it keeps no keys and values, or what comes later changes what was read.

        """
        text = [token % vocabulary for token in _TRIED]
        half, last = len(text) // 2, len(text) - 1
        try:
            with torch.inference_mode():
                whole = self._read(Run(text, 0, [0], len(text)))
                self._read(Run(text[:half], 0, [0], half))
                again = self._read(Run(text[half:], half, [0], len(text) - half))
                cut_back = self._read(Run(text[last:], last, [0], 1))
        except Exception as error:  # of code that is not ours, and has its own ideas of a cache
            raise CheckpointError(
                f"it does not read a text in pieces, as answers are made ({_said(error)})"
            ) from error
        finally:
            self._caches.clear()
        tolerance = _TOLERANCE * max(1.0, float(whole.abs().max()))
        for pieces, wanted in ((again, whole[half:]), (cut_back, whole[last:])):
            if not torch.allclose(pieces, wanted, rtol=0, atol=tolerance):
                raise CheckpointError("it reads a text in pieces otherwise than at once")

    @torch.inference_mode()
    def forward(self, runs: Sequence[Run]) -> Tensor:
        """Read the runs, one after another; see `interface.Backend.forward`."""
        return torch.cat([self._read(run) for run in runs])

    def _read(self, run: Run) -> Tensor:
        block = run.blocks[0]
        if run.kv_length == 0:
            self._caches[block] = self._new_cache()
        cache = self._caches[block]
        if refused := cache.get_seq_length() - run.kv_length:
            cache.crop(-refused)
        logits: Tensor = self._model(
            torch.tensor([list(run.tokens)], device=self.device),
            past_key_values=cache,
            logits_to_keep=max(1, run.wanted),  # 0 would be all of them
        ).logits[0]
        return logits[len(logits) - run.wanted :].float()

    def _new_cache(self) -> DynamicCache:
        """Return an empty cache that can be cut back; one of a sliding window forgets instead."""
        config = self._model.config
        windowed = getattr(config, "sliding_window", None)
        return DynamicCache() if windowed else DynamicCache(config=config)

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Whether an error that `forward` raised says that memory ran out: the model lives on."""
        return out_of_memory.ran_out_of_memory(error)


def _require_decoder(config: Any) -> None:
    """Refuse a model that reads its text from both sides: it writes, but nonsense.

    Raises:
        CheckpointError: it is an encoder, or makes something else than text.

    """
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise CheckpointError(
            f"it is a {config.model_type}, which does not continue a text; what is served does: "
            "GPT-2, or another decoder"
        )
    # Made a decoder or not: some count places in their own way.
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING:
        raise CheckpointError(
            f"it is a {config.model_type}, an encoder; what is served writes text: GPT-2, or "
            "another decoder"
        )


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _named(key: str | tuple[str, ...]) -> str:
    """Return a weight's name: transformers tells shapes beside those that do not fit."""
    return key if isinstance(key, str) else key[0]
