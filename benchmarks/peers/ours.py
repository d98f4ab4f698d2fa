"""Our engine in this process, without HTTP or sockets: scheduler, sampler and backend."""

from functools import partial
from pathlib import Path

import torch

from app.engine.admission import Limits
from app.engine.checkpoint import Checkpoint, load
from app.engine.drafting import Drafter
from app.engine.interface import Decoding, Source
from app.engine.requests import Generation
from app.engine.scheduler import Scheduler
from app.engine.worker import choose
from app.errors import CheckpointError
from app.settings import Settings
from benchmarks.peers.contract import Case, Prompts

PACKAGES: tuple[str, ...] = ("openvino",)
MOST = 64
_DTYPES = {"float32": ("fp32", 4), "bfloat16": ("bf16", 2), "int8": ("int8", 1)}


def cases(directory: Path, device: torch.device) -> dict[str, Case]:
    """Load the model in the formats that `MEDQA_DTYPE` may name, each with guesses and without."""
    found = {}
    for dtype, (name, bytes_per_weight) in _DTYPES.items():
        try:
            checkpoint = load(
                Source(str(directory)),
                device=str(device),
                dtype=dtype,
                threads=torch.get_num_threads(),
                cache_tokens=Settings().cache_tokens,
            )
        except CheckpointError:
            if dtype == "float32":  # the others are for some processors and devices only
                raise
            continue
        for drafts, how in ((False, ""), (True, ", with guesses")):
            run = partial(_run, checkpoint, drafts)
            found[f"ours, {name}{how}"] = Case(run, bytes_per_weight)
    return found


def _run(
    checkpoint: Checkpoint, drafts: bool, prompts: Prompts, new_tokens: int
) -> list[list[int]]:
    limits = Limits(MOST, 0, Settings().max_batch_tokens)
    scheduler = Scheduler(checkpoint.backend, choose, limits, drafts)
    decoding = Decoding(new_tokens)
    for number, prompt in enumerate(prompts):
        drafter = Drafter(prompt, None)
        scheduler.add(
            number,
            Generation(prompt, decoding, checkpoint.tokenizer.eos_token_id, None, drafter),
        )
    answers: list[list[int]] = [[] for _ in prompts]
    while not scheduler.idle:
        for number, tokens, _ in scheduler.step():
            assert isinstance(tokens, list)
            answers[number] += [token.id for token in tokens]
    return answers
