"""`python -m training evaluate`: base against fine-tuned on questions that training never saw.

Bits per byte is the information in the true answers, by each model, over the same bytes: fair
between vocabularies where perplexity is not. The end rate is the share of greedy answers that the
fine-tuned model ends itself.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.errors import TrainingError
from training.examples import IGNORED, Pair, read_pairs
from training.greedy import greedy_answers
from training.prompt import encode_prompt, encode_text

MAX_NEW_TOKENS = 512
_BATCH_TOKENS = 4_096


class Loaded(NamedTuple):
    """A model with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def context_tokens(self) -> int:
        """Most tokens of prompt and answer together."""
        return int(self.model.config.max_position_embeddings)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--model", type=Path, required=True, help="the fine-tuned directory")
    parser.add_argument("--base", required=True, help="hub id or directory of its base")
    parser.add_argument("--base-revision", help="commit, tag or branch of a base on the hub")
    parser.add_argument("--data", type=Path, default=Path("data"), help="what `prepare` wrote")
    parser.add_argument("--split", default="test_unseen")
    parser.add_argument("--limit", type=int, help="only so many pairs, from the first")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    figures = evaluate(
        arguments.model,
        arguments.base,
        arguments.data,
        split=arguments.split,
        limit=arguments.limit,
        base_revision=arguments.base_revision,
    )
    (arguments.model / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 0


def evaluate(
    model: Path,
    base: str,
    data: Path,
    *,
    split: str = "test_unseen",
    limit: int | None = None,
    base_revision: str | None = None,
) -> dict[str, Any]:
    """Return both models' figures on a split.

    Raises:
        TrainingError: a model or the data cannot be read.
    """
    pairs = read_pairs(data, "Split", split)[:limit]
    fine_tuned, untuned = load(str(model), None), load(base, base_revision)
    pairs = _shared_span(pairs, [fine_tuned, untuned])
    questions = [pair.question for pair in pairs]
    guard = fine_tuned.model.generation_config.no_repeat_ngram_size or 0
    return {
        "split": split,
        "pairs": len(pairs),
        "answer_bytes": sum(len(pair.answer.encode()) for pair in pairs),
        "base": {"bits_per_byte": bits_per_byte(untuned, pairs, "base")},
        "fine_tuned": {
            "bits_per_byte": bits_per_byte(fine_tuned, pairs, "fine-tuned"),
            "end_rate": end_rate(fine_tuned, questions, guard),
            "end_rate_unguarded": end_rate(fine_tuned, questions),
            "no_repeat_ngram_size": guard,
            "end_rate_max_new_tokens": MAX_NEW_TOKENS,
        },
    }


def load(source: str, revision: str | None) -> Loaded:
    """Load a model for evaluation, in float32, on the GPU where there is one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
        model: Any = AutoModelForCausalLM.from_pretrained(
            source,
            revision=revision,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation="sdpa",
        )
    except (OSError, ValueError) as error:
        raise TrainingError(f"{source}: {str(error).splitlines()[0]}") from error
    return Loaded(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer)


def _shared_span(pairs: Sequence[Pair], models: Sequence[Loaded]) -> list[Pair]:
    """Cut answers beyond a context, so that every model is scored on the same bytes.

    A question that fills a context alone is left out.
    """
    for loaded in models:
        pairs = [
            pair._replace(answer=_within(pair.answer, loaded, len(prompt)))
            for pair in pairs
            for prompt in [encode_prompt(pair.question, loaded.tokenizer)]
            if len(prompt) < loaded.context_tokens
        ]
    if not pairs:
        raise TrainingError("no question leaves room for an answer")
    return list(pairs)


def _within(answer: str, loaded: Loaded, prompt_tokens: int) -> str:
    ids = encode_text(answer, loaded.tokenizer)
    room = loaded.context_tokens - prompt_tokens
    if len(ids) <= room:
        return answer
    return str(loaded.tokenizer.decode(ids[:room])).rstrip("\ufffd")


def bits_per_byte(loaded: Loaded, pairs: Sequence[Pair], label: str) -> float:
    """Return the mean information in the answers, given their questions, in bits per UTF-8 byte."""
    encoded = [
        (encode_prompt(pair.question, loaded.tokenizer), encode_text(pair.answer, loaded.tokenizer))
        for pair in pairs
    ]
    encoded.sort(key=lambda ids: len(ids[0]) + len(ids[1]))
    nats = 0.0
    with tqdm(total=len(encoded), desc=f"bits per byte, {label}", unit="answer") as progress:
        for batch in _batches(encoded):
            nats += _nats(loaded.model, batch)
            progress.update(len(batch))
    return nats / math.log(2) / sum(len(pair.answer.encode()) for pair in pairs)


def _batches(
    encoded: Sequence[tuple[list[int], list[int]]],
) -> "list[list[tuple[list[int], list[int]]]]":
    """Group pairs, sorted by length, so that no padded batch exceeds the token budget."""
    batches: list[list[tuple[list[int], list[int]]]] = []
    for prompt, answer in encoded:
        length = len(prompt) + len(answer)
        if not batches or (len(batches[-1]) + 1) * length > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append((prompt, answer))
    return batches


@torch.inference_mode()
def _nats(model: PreTrainedModel, batch: Sequence[tuple[list[int], list[int]]]) -> float:
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
    return float(
        torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1),
            labels[:, 1:].flatten().to(model.device),
            reduction="sum",
        )
    )


def end_rate(loaded: Loaded, questions: Sequence[str], no_repeat_ngram_size: int = 0) -> float:
    """Return the share of greedy answers that end by `<end>` within 512 new tokens.

    With `no_repeat_ngram_size`, no sequence of so many tokens comes twice in an answer.
    """
    end: Any = loaded.tokenizer.eos_token_id
    prompts = [encode_prompt(question, loaded.tokenizer) for question in questions]
    answers = greedy_answers(loaded.model, prompts, end, MAX_NEW_TOKENS, no_repeat_ngram_size)
    return float(sum(answer[-1] == end for answer in answers) / len(answers))
