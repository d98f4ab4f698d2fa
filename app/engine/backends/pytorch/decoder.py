"""Any decoder that transformers knows, by its public API: correct, slow, one request after another.

For models that are no GPT-2. A block is as long as the context and belongs to one request, whose
keys and values transformers keeps in a cache of its own; number format float32.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from app.engine.backends import out_of_memory
from app.engine.backends.interface import Run
from app.errors import CheckpointError


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
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                directory,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                disable_mmap=True,  # or a file written over would change, or end, what is served
                output_loading_info=True,
            )
        except Exception as error:  # whatever three libraries raise over files that are garbage
            lines = str(error).strip().splitlines() or [""]
            raise CheckpointError(f"cannot be read: {type(error).__name__}: {lines[0]}") from error
        model, report = loaded
        for kind in ("missing", "mismatched"):
            if keys := report[f"{kind}_keys"]:
                raise CheckpointError(f"its weights have {kind} keys: {sorted(keys)}")
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

    @torch.inference_mode()
    def forward(self, runs: Sequence[Run]) -> Tensor:
        """Read the runs, one after another; see `interface.Backend.forward`."""
        return torch.cat([self._read(run) for run in runs])

    def _read(self, run: Run) -> Tensor:
        block = run.blocks[0]
        if run.kv_length == 0:
            self._caches[block] = DynamicCache(config=self._model.config)
        cache = self._caches[block]
        if refused := cache.get_seq_length() - run.kv_length:
            cache.crop(-refused)
        logits: Tensor = self._model(
            torch.tensor([list(run.tokens)], device=self.device),
            past_key_values=cache,
            logits_to_keep=max(1, run.wanted),  # 0 would be all of them
        ).logits[0]
        return logits[len(logits) - run.wanted :].float()

    def ran_out_of_memory(self, error: Exception) -> bool:
        """Whether an error that `forward` raised says that memory ran out: the model lives on."""
        return out_of_memory.ran_out_of_memory(error)
