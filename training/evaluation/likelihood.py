"""How well a model predicts the published answers: the information in each, given its question.

Knows nothing about generated answers.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from training.data.examples import IGNORED, Pair
from training.errors import TrainingError
from training.evaluation.loaded_model import Loaded
from training.prompt import encode_prompt, encode_text

_BATCH_LOGITS = 2**25
"""Most logits of one forward pass: 128 MB in float32, whatever the vocabulary."""


class Information(NamedTuple):
    """What a model makes of one answer: its negative log-likelihood, over so many tokens."""

    nats: float
    tokens: int


def shared_span(pairs: Sequence[Pair], models: Sequence[Loaded]) -> list[Pair]:
    """Cut answers beyond a context, so that every model is scored on the same bytes.

    The questions have room for an answer (`Loaded.has_room`).
    """
    for loaded in models:
        pairs = [
            pair._replace(
                answer=_within(
                    pair.answer, loaded, len(encode_prompt(pair.question, loaded.tokenizer))
                )
            )
            for pair in pairs
        ]
    return list(pairs)


def _within(answer: str, loaded: Loaded, prompt_tokens: int) -> str:
    ids = encode_text(answer, loaded.tokenizer)
    room = loaded.context_tokens - prompt_tokens
    if len(ids) <= room:
        return answer
    return str(loaded.tokenizer.decode(ids[:room])).rstrip("\ufffd")


def information(loaded: Loaded, pairs: Sequence[Pair], label: str) -> list[Information]:
    """Return what each answer tells the model that knows its question.

    Raises:
        TrainingError: the model gives a probability that is no number; names the question.
    """
    encoded = [
        (encode_prompt(pair.question, loaded.tokenizer), encode_text(pair.answer, loaded.tokenizer))
        for pair in pairs
    ]
    found: dict[int, Information] = {}
    with tqdm(total=len(pairs), desc=f"bits per byte, {label}", unit="answer") as progress:
        for batch in _batches(encoded, _BATCH_LOGITS // int(loaded.model.config.vocab_size)):
            for place, nats in zip(
                batch, _nats(loaded.model, [encoded[place] for place in batch]), strict=True
            ):
                if not math.isfinite(nats):
                    raise TrainingError(
                        f"{loaded.source} gives the answer to {pairs[place].question!r} a "
                        f"likelihood that is no number; train it again"
                    )
                found[place] = Information(nats, len(encoded[place][1]))
            progress.update(len(batch))
    return [found[place] for place in range(len(pairs))]


def _batches(encoded: Sequence[tuple[list[int], list[int]]], most_tokens: int) -> "list[list[int]]":
    """Group places by length, so that no padded batch exceeds the token budget, if it can."""

    def length(place: int) -> int:
        return len(encoded[place][0]) + len(encoded[place][1])

    batches: list[list[int]] = []
    for place in sorted(range(len(encoded)), key=length):
        if not batches or (len(batches[-1]) + 1) * length(place) > most_tokens:
            batches.append([])
        batches[-1].append(place)
    return batches


@torch.inference_mode()
def _nats(model: PreTrainedModel, batch: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    longest = max(len(prompt) + len(answer) for prompt, answer in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(batch):
        whole = torch.tensor(prompt + answer)
        ids[row, : len(whole)] = whole
        mask[row, : len(whole)] = 1
        labels[row, len(prompt) : len(whole)] = whole[len(prompt) :]
    logits = model(ids.to(model.device), attention_mask=mask.to(model.device)).logits
    nats = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1),
        labels[:, 1:].flatten().to(model.device),
        reduction="none",
    )
    found: list[float] = nats.view(len(batch), -1).double().sum(dim=1).tolist()
    return found
