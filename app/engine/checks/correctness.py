"""Whether a model computes right: as on the CPU, alone as in a batch, guarded, and by its seeds.

Knows nothing about devices: the same checks are right for each.
"""

import math
from collections.abc import Sequence

import numpy as np

from app.engine.backends.interface import Run
from app.engine.checks.subject import STEP_TOKENS, Finding, Logits, Subject, array, read
from app.engine.guard import inside_words
from app.engine.interface import Decoding

LENGTHS = (1, 24, 255, 1000)
_LEAST_AGREEMENT = 0.99
_MOST_BITS_OFF = 0.005
"""Of a text's information: bfloat16's matrices cost the demo pair a tenth of it."""
_GUARD_SIZE = 3


def like_the_cpu(subject: Subject) -> Finding:
    """Compare with float32 on the CPU: the likeliest token, and the information in a text."""
    agreed, tokens, worst, bits, expected_bits = 0, 0, 0.0, 0.0, 0.0
    for length in LENGTHS:
        text = subject.text(min(length, subject.checkpoint.context_tokens - 1))
        found, expected = read(subject.backend, text), read(subject.reference, text)
        agreed += int((found.argmax(1) == expected.argmax(1)).sum())
        tokens += len(text)
        here, there = _log_softmax(found), _log_softmax(expected)
        worst = max(worst, float(np.abs(here - there).max())) if _finite(found) else math.inf
        rows = np.arange(len(text) - 1), np.array(text[1:], np.int64)
        bits -= float(here[rows].sum()) / math.log(2)
        expected_bits -= float(there[rows].sum()) / math.log(2)
    agreement, cost = agreed / tokens, bits / expected_bits - 1
    figures = {"argmax": agreement, "worst_log_probability": worst, "bits": cost}
    off = None
    if not agreement >= _LEAST_AGREEMENT:
        off = f"the likeliest token is the CPU's in {agreement:.1%} of {tokens} places"
    elif not abs(cost) <= _MOST_BITS_OFF:
        off = f"a text has {cost:+.2%} of the bits that it has on the CPU"
    return Finding("like the CPU in float32", figures, off)


def alone_and_in_a_batch(subject: Subject) -> Finding:
    """Compare a token's logits alone with those beside 15 others of all lengths."""
    backend, context = subject.backend, subject.checkpoint.context_tokens
    lengths = [min(1 + 37 * place, context - 1) for place in range(16)]
    per_run = -(-context // backend.block_tokens)
    count = min(16, backend.blocks // per_run)
    runs = []
    for place, length in enumerate(lengths[:count]):
        blocks = range(per_run * place, per_run * (place + 1))
        text = subject.text(length + place)[place:]
        for start in range(0, length, STEP_TOKENS):
            backend.forward([Run(text[start : start + STEP_TOKENS], start, blocks, 0)])
        runs.append(Run([text[-1]], length, blocks, 1))
    together = array(backend.forward(runs))
    alone = np.concatenate([array(backend.forward([run])) for run in runs])
    worst = float(np.abs(together - alone).max())
    other = int((together.argmax(1) != alone.argmax(1)).sum())
    figures = {"requests": count, "identical": worst == 0.0, "worst_logit": worst}
    off = f"{other} of {count} requests get another token in a batch" if other else None
    return Finding("alone and in a batch", figures, off)


def guard(subject: Subject) -> Finding:
    """Look for repetition in answers that are guarded against it."""
    prompts = [subject.text(24), subject.text(40)[9:]]
    decoding = Decoding(subject.new_tokens, no_repeat_ngram_size=_GUARD_SIZE)
    inside = inside_words(subject.checkpoint.tokenizer)
    repeated = 0
    for prompt, answer in zip(prompts, subject.generate(prompts, decoding), strict=True):
        seen = set()
        for gram in zip(*(answer[place:] for place in range(_GUARD_SIZE)), strict=False):
            exempt = gram[-1] in inside or _stands_in(prompt, gram)
            repeated += gram in seen and not exempt
            seen.add(gram)
    off = f"{repeated} sequences of {_GUARD_SIZE} tokens come twice" if repeated else None
    return Finding("guard against repetition", {"repeated": repeated}, off)


def seeds(subject: Subject) -> Finding:
    """Draw the same answer twice alone, and once beside others."""
    decoding = Decoding(subject.new_tokens, temperature=1.0, top_p=0.9, seed=7)
    prompts = [subject.text(20 + place) for place in range(4)]
    first, again = (subject.generate(prompts[:1], decoding)[0] for _ in range(2))
    beside = subject.generate(prompts, decoding)[0]
    other = subject.generate(
        prompts[:1], Decoding(decoding.max_new_tokens, temperature=1.0, top_p=0.9, seed=8)
    )[0]
    figures = {"again": first == again, "beside_others": first == beside}
    off = None
    if first != again or first != beside:
        off = "the same seed draws another answer " + ("again" if first != again else "in a batch")
    elif first == other:
        off = "another seed draws the same answer"
    return Finding("seeds", figures, off)


def _stands_in(prompt: Sequence[int], gram: Sequence[int]) -> bool:
    size = len(gram)
    return any(
        tuple(prompt[place : place + size]) == tuple(gram)
        for place in range(len(prompt) - size + 1)
    )


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Logits = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _finite(logits: Logits) -> bool:
    return bool(np.isfinite(logits).all())
