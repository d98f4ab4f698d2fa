"""Each request of a batch decodes by its own settings: greedy or sampled, repeating itself or not.

Upstream's per-request warpers know no greedy request inside a sampled batch, sort the whole
vocabulary for every row, and see no earlier tokens, so penalties are dropped. This one processor,
put where upstream lets processors in, leaves greedy rows to the arg-max that follows and pins the
token it drew on the others.
"""

from typing import Any

import torch
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from app.engine.decoding import Decoding
from app.engine.no_repeat import inside_words, repeating
from app.engine.tokenizer import Tokenizer


class RequestSampler(ContinuousBatchingLogitsProcessor):
    """Ban what would repeat; draw the next token of every sampled request, let greedy ones pass."""

    def __init__(self, inside_words: frozenset[int]) -> None:
        self._inside_words = inside_words
        self.supported_kwargs = {"decoding": Decoding}
        self.ignored_kwargs = ()
        self._rows: list[tuple[Decoding, list[int], list[int]]] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fill upstream's argument row, which carries nothing for us."""
        int32_tensor.zero_()

    def prepare_tensor_args(
        self, requests_with_new_token: list[FutureRequestState]
    ) -> torch.Tensor:
        """Remember whose rows come next; called by upstream right before each forward pass."""
        self._rows = [
            (
                request.state.logit_processor_kwargs["decoding"],
                request.state.initial_tokens,
                request.state.generated_tokens,
            )
            for request in requests_with_new_token
        ]
        return torch.zeros(len(self._rows), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Ban and pin tokens in the rows of `scores`, shape [requests, vocabulary]."""
        del tensor_arg
        for row, (decoding, prompt, made) in enumerate(self._rows):
            if size := decoding.no_repeat_ngram_size:
                banned = repeating(prompt, made, size, self._inside_words)
                scores[row, banned] = -torch.inf
            if not decoding.greedy:
                no_history: Any = None  # these warpers look at no earlier tokens
                warped = _warpers(decoding)(no_history, scores[row : row + 1])
                drawn = torch.multinomial(warped.softmax(dim=-1), num_samples=1)
                scores[row, drawn[0]] = torch.inf
        return scores


def _warpers(decoding: Decoding) -> LogitsProcessorList:
    """Return the processors that shape the distribution before a token is drawn."""
    chosen = LogitsProcessorList([TemperatureLogitsWarper(decoding.temperature)])
    if decoding.top_k > 0:
        chosen.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1.0:
        chosen.append(TopPLogitsWarper(decoding.top_p))
    return chosen


def processor_list(tokenizer: Tokenizer) -> ContinuousBatchingLogitsProcessorList:
    """Return upstream's list holding our one processor, with its argument row counted."""
    sampler = RequestSampler(inside_words(tokenizer))
    processors = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([sampler]))
    processors.tensors_required = 1
    return processors
