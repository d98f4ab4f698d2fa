"""Greedy answers to many prompts at once: batches by length, whose rows leave when they end.

Knows nothing about questions or scores. Each answer is the one that the model gives alone, as
long as its arithmetic keeps its precision: a batch rounds differently in the last bit.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tqdm import tqdm
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from training.evaluation.no_repeat_ngram import NO_TOKEN, NoRepeat

_BATCH = 128
_LEAVING_SHARE = 0.1  # of the rows, before it pays to copy the others together


class _Layer(DynamicLayer):
    """A layer's keys and values with room for the whole answer.

    Upstream's concatenates at every token, which copies all earlier ones: on a CPU that takes
    longer than the model.
    """

    def __init__(self, room_tokens: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # upstream leaves it untyped
        self._room_tokens = room_tokens
        self._tokens = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make room for states like these: [rows, heads, tokens, width of a head]."""
        self.dtype, self.device = key_states.dtype, key_states.device
        shape = (*key_states.shape[:2], self._room_tokens, key_states.shape[3])
        self._all_keys = key_states.new_empty(shape)
        self._all_values = value_states.new_empty(shape)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new tokens' states; return those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before, self._tokens = self._tokens, self._tokens + key_states.shape[2]
        self._all_keys[:, :, before : self._tokens] = key_states
        self._all_values[:, :, before : self._tokens] = value_states
        return self._all_keys[:, :, : self._tokens], self._all_values[:, :, : self._tokens]

    def get_seq_length(self) -> int:
        """Return how many tokens there are states of."""
        return self._tokens

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some rows."""
        self._all_keys, self._all_values = self._all_keys[indices], self._all_values[indices]


def greedy_answers(
    model: Any,
    prompts: Sequence[list[int]],
    end_id: int,
    max_new_tokens: int,
    guard: NoRepeat | None = None,
    label: str = "",
) -> list[list[int]]:
    """Return each prompt's greedy answer as token ids, the end token included where it ends.

    With a `guard` no answer repeats itself. One also stops where it fills the model's context.
    """
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: dict[int, list[int]] = {}
    with tqdm(total=len(prompts), desc=f"answers, {label}", unit="answer") as progress:
        for start in range(0, len(prompts), _BATCH):
            batch = by_length[start : start + _BATCH]
            texts = [prompts[index] for index in batch]
            for row, answer in _ended(model, texts, end_id, max_new_tokens, guard):
                answers[batch[row]] = answer
                progress.update()
    return [answers[index] for index in range(len(prompts))]


@torch.inference_mode()
def _ended(
    model: Any,
    prompts: Sequence[list[int]],
    end_id: int,
    max_new_tokens: int,
    guard: NoRepeat | None,
) -> Iterator[tuple[int, list[int]]]:
    """Yield one batch's rows with their answers, as they end."""
    context_tokens = int(model.config.max_position_embeddings)
    inputs, mask = (padded.to(model.device) for padded in _left_padded(prompts))
    asked = inputs.masked_fill(mask == 0, NO_TOKEN)
    limits = [min(max_new_tokens, context_tokens - len(prompt)) for prompt in prompts]
    room = torch.tensor(limits, device=model.device)
    rows = torch.arange(len(prompts), device=model.device)
    done = torch.zeros_like(rows, dtype=torch.bool)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    answers = inputs[:, :0]
    room_tokens = inputs.shape[1] + max(limits)
    cache = Cache(layers=[_Layer(room_tokens) for _ in range(model.config.num_hidden_layers)])
    while True:
        logits = model(
            inputs,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            logits_to_keep=1,
        ).logits[:, -1]
        if guard:
            guard.ban(logits, asked, answers)
        inputs = logits.argmax(dim=-1, keepdim=True)
        answers = torch.cat([answers, inputs], dim=1)
        ends = ~done & ((inputs[:, 0] == end_id) | (room <= answers.shape[1]))
        for row in ends.nonzero().flatten().tolist():
            yield int(rows[row]), answers[row].tolist()
        done |= ends
        if done.all():
            return
        if done.sum() >= _LEAVING_SHARE * len(done):
            left = (~done).nonzero().flatten()
            cache.batch_select_indices(left)
            rows, done, room, asked, inputs, answers, mask, positions = (
                held[left] for held in (rows, done, room, asked, inputs, answers, mask, positions)
            )
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        # Rows that are done but have not left must not run out of positions.
        positions = (positions[:, -1:] + 1).clamp(max=context_tokens - 1)


def _left_padded(prompts: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and attention mask, shape [rows, tokens], every prompt at the right."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids, mask
