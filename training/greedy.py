"""Greedy answers to many prompts at once, by transformers' continuous batching.

Knows nothing about questions or scores. Upstream drops the guard against repetition there, since
its processors see no earlier tokens: ours is put where it lets processors in.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm
from transformers import (
    ContinuousBatchingConfig,
    GenerationConfig,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
)
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState

from training.errors import TrainingError

_PAGE_TOKENS = 256
_CONCURRENT = 64


class _Guard(ContinuousBatchingLogitsProcessor):
    """No sequence of `size` tokens comes twice in an answer (Paulus et al. 2017)."""

    def __init__(self, size: int) -> None:
        self.supported_kwargs = {}
        self.ignored_kwargs = ()
        self._guard = NoRepeatNGramLogitsProcessor(size)
        self._answers: list[list[int]] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fill upstream's argument row, which carries nothing for us."""
        int32_tensor.zero_()

    def prepare_tensor_args(
        self, requests_with_new_token: list[FutureRequestState]
    ) -> torch.Tensor:
        """Remember whose rows come next."""
        self._answers = [request.state.generated_tokens for request in requests_with_new_token]
        return torch.zeros(len(self._answers), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Ban what would repeat, in each row of `scores`, shape [requests, vocabulary]."""
        del tensor_arg
        for row, answer in enumerate(self._answers):
            history: Any = torch.tensor([answer])
            scores[row : row + 1] = self._guard(history, scores[row : row + 1])
        return scores


def greedy_answers(
    model: Any,
    prompts: Sequence[list[int]],
    end_id: int,
    max_new_tokens: int,
    no_repeat_ngram_size: int = 0,
) -> list[list[int]]:
    """Return each prompt's greedy answer as token ids, the end token included where it ends.

    Raises:
        TrainingError: generation stopped before every prompt had its answer.

    """
    context_tokens = int(model.config.max_position_embeddings)
    pages = math.ceil(context_tokens / _PAGE_TOKENS)
    manager = model.init_continuous_batching(
        generation_config=GenerationConfig(
            do_sample=False, eos_token_id=end_id, pad_token_id=end_id
        ),
        continuous_batching_config=ContinuousBatchingConfig(
            page_size=_PAGE_TOKENS,
            num_blocks=_CONCURRENT * pages + 1,
            safety_margin=0.0,
            max_batch_tokens=1024,
            max_requests_per_batch=_CONCURRENT,
            allow_block_sharing=False,
        ),
    )
    if no_repeat_ngram_size:
        guard = LogitsProcessorList([_Guard(no_repeat_ngram_size)])
        manager.logit_processor = ContinuousBatchingLogitsProcessorList(guard)
        manager.logit_processor.tensors_required = 1
    room = context_tokens - max(map(len, prompts))
    manager.start()
    try:
        names = manager.add_requests(list(prompts), max_new_tokens=min(max_new_tokens, room))
        answers: dict[str, list[int]] = {}
        with tqdm(total=len(prompts), desc="greedy answers", unit="answer") as progress:
            while len(answers) < len(prompts):
                result = manager.get_result(timeout=1)
                if result is None and not manager.is_running():
                    raise TrainingError("generation stopped before every prompt had its answer")
                if result is not None:
                    answers[result.request_id] = result.generated_tokens
                    progress.update()
    finally:
        manager.stop(block=True, timeout=10)
    return [answers[name] for name in names]
