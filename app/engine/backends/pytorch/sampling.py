"""What `sampling` does, where the logits are a torch tensor: on its device, for all rows at once.

Which rows are drawn, banned and told is known beforehand, so the device is waited for only when the
chosen tokens are fetched.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.engine.sampling import NEGLIGIBLE, Choice, Draws, Plan, Row, tell


@torch.inference_mode()
def choose(logits: Tensor, rows: Sequence[Row]) -> list[Choice]:
    """Return what becomes of each row of `logits`, shape [rows, vocabulary]; writes into them."""
    plan = Plan.of(rows)
    told = _sent(plan.told, logits)
    known = logits[told] if plan.told else logits[:0]
    if plan.banned_rows:
        logits[_sent(plan.banned_rows, logits), _sent(plan.banned_tokens, logits)] = -torch.inf
    tokens = logits.argmax(dim=-1)
    if plan.drawn:
        drawn = _sent(plan.drawn, logits)
        how = Draws.of([rows[index] for index in plan.drawn], logits.shape[-1])
        tokens.index_copy_(0, drawn, draw(logits[drawn], how))
    if not plan.told:
        return plan.chosen(tokens.tolist(), rows)
    of = tokens[told]
    targets = [(place, rows[index].target) for place, index in enumerate(plan.told)]
    scored = [(place, target) for place, target in targets if target is not None]
    if scored:
        places, known_tokens = zip(*scored, strict=True)
        of.index_copy_(0, _sent(places, logits), _sent(known_tokens, logits))
    logprobs = known.log_softmax(dim=-1)
    best = logprobs.topk(min(plan.top, logits.shape[-1]), dim=-1)
    of_tokens = logprobs.gather(1, of[:, None])[:, 0]
    ids, likely, top_ids, top = _fetched(tokens, of_tokens, best.indices, best.values)
    choices = plan.chosen([int(token) for token in ids], rows)
    top_tokens = [[int(token) for token in each] for each in top_ids]
    tell(choices, plan, rows, likely, top_tokens, top)
    return choices


def draw(scores: Tensor, how: Draws) -> Tensor:
    """Return a token for each row of `scores`, shape [rows, vocabulary], as `sampling.draw`."""
    kind = _widest(scores)  # sums of a whole vocabulary want more digits than float32 has
    temperature, draws, top_p = (
        torch.from_numpy(each.astype(np.float64)).to(kind).to(scores.device, non_blocking=True)
        for each in (how.temperature, how.draw, how.top_p)
    )
    values = (scores - scores.amax(dim=1, keepdim=True)).to(kind) / temperature[:, None]
    values = values.masked_fill(values <= -NEGLIGIBLE, -torch.inf)
    if how.cuts(scores.shape[1]):
        top_k = torch.from_numpy(how.top_k).to(scores.device, non_blocking=True)
        values = values.masked_fill(values < _least(values, top_k, top_p)[:, None], -torch.inf)
    reached = values.exp().cumsum(dim=1)
    # At most the whole sum, and more than nothing: so it is reached at a token that has weight.
    return torch.searchsorted(reached, draws[:, None] * reached[:, -1:])[:, 0]


def _least(values: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Return the lowest value in each row that top-k and top-p keep, shape [rows]."""
    ordered = values.sort(dim=1, descending=True).values
    kth = ordered.gather(1, top_k[:, None] - 1)
    shares = ordered.masked_fill(ordered < kth, -torch.inf).softmax(dim=1)
    before = shares.cumsum(dim=1) - shares
    kept = ((before < top_p[:, None]) & (shares > 0)).sum(dim=1, keepdim=True)
    least = ordered.gather(1, kept.clamp(min=1) - 1)
    return torch.where(top_p[:, None] < 1, least, kth)[:, 0]


def _sent(numbers: Sequence[int], logits: Tensor) -> Tensor:
    """Return numbers on the device of the logits, without waiting for it."""
    return torch.tensor(numbers, dtype=torch.long).to(logits.device, non_blocking=True)


def _widest(numbers: Tensor) -> torch.dtype:
    """Return the format with the most digits on a tensor's device; Apple's GPUs have no more."""
    return torch.float32 if numbers.device.type == "mps" else torch.float64


def _fetched(*tensors: Tensor) -> list[Any]:
    """Return tensors as nested lists of floats: all are brought to the host by one wait.

    Token ids are exact among them: float32 holds every one below 2**24.
    """
    kind = _widest(tensors[0])
    whole = torch.cat([each.flatten().to(kind) for each in tensors]).tolist()
    fetched: list[Any] = []
    for each in tensors:
        count = each.numel()
        part, whole = whole[:count], whole[count:]
        if each.dim() == 2:
            width = each.shape[1]
            part = [part[row * width : (row + 1) * width] for row in range(each.shape[0])]
        fetched.append(part)
    return fetched
