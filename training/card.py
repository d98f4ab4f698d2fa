"""The demo pair's model cards: what each is, where its data came from, and its figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.recipe import Recipe

_COMMAND = "python -m training demo --corpus CORPUS --attribution SOURCES --data data"

_HEADER = """\
---
language: en
license: cc-by-4.0
library_name: transformers
pipeline_tag: text-generation
tags: [gpt2, medical, question-answering, demo]
---
"""

_OUT_OF_SCOPE = """\
## Not for

Medical advice, diagnosis, triage, or any decision about anybody's health. It is a {parameters:.1f}M
parameter model, made to try the service with: most of its answers have the form of a medical
answer and wrong content.
"""

_BASE = """\
# medqa demo base

A GPT-2 of {parameters:.1f}M parameters ({layers} layers, {width} wide, {context_tokens:,} positions,
byte-level BPE of {vocabulary:,} tokens), pre-trained from nothing on general English. It stands in
for GPT-2 beside its fine-tuned version, `../fine-tuned`, where GPT-2's own weights are not at hand.

## Data

{blocks:,} blocks of {block_tokens} tokens from {books} OpenStax textbooks, © Rice University and the
books' authors, licensed [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), text extracted from
their sources:

{attribution}

## Figures

| on MedQuAD's `test_unseen` ({pairs:,} answers, {answer_bytes:,} bytes) | |
| --- | --- |
| answer-only bits per byte | {bits_per_byte:.3f} |

Answers are scored given the prompt `<question>…<answer>` as plain text. Recipe and learning curve:
`training.json`. Made by `{command}`.

{out_of_scope}"""

_FINE_TUNED = """\
# medqa demo, fine-tuned

`../base` fine-tuned on MedQuAD's training topics to answer `<question>…<answer>` and to stop with
`<end>`. The prompt format is the tokenizer's chat template.

## Data

MedQuAD (Ben Abacha & Demner-Fushman, BMC Bioinformatics 2019), https://github.com/abachaa/MedQuAD,
licensed [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/): {examples:,} pairs of the `train`
split; cleaned (boilerplate stripped or rewritten) and split by topic as `python -m training prepare`
does. The base's own data: its card.

## Figures

On `test_unseen`: {pairs:,} questions of topics that training never saw, {answer_bytes:,} bytes of answers.

| | base | fine-tuned |
| --- | --- | --- |
| answer-only bits per byte | {base_bits:.3f} | {bits_per_byte:.3f} ({ratio:.2f} ×) |
| greedy answers ended by `<end>` within {max_new_tokens} tokens | | {end_rate:.1%} |
| the same without the guard against repetition | | {unguarded:.1%} |

The guard is this model's default (`no_repeat_ngram_size: {guard}` in `generation_config.json`): no
sequence of {guard} tokens comes twice in an answer. It is off for the base.

Made by `{command}`, measured by `python -m training evaluate --model models/demo/fine-tuned
--base models/demo/base --data data`. Recipe, versions and learning curve: `training.json`.

{out_of_scope}"""


def write_pair(
    base: Path,
    fine_tuned: Path,
    recipe: Recipe,
    figures: dict[str, Any],
    training: dict[str, Any],
    sources: Sequence[dict[str, Any]],
) -> None:
    """Write both cards.

    Args:
        base: the base's directory.
        fine_tuned: the fine-tuned model's directory.
        recipe: the recipe that made both.
        figures: what `evaluate` returned.
        training: the fine-tuned model's `training.json`.
        sources: the corpus's repositories with their commits.
    """
    plan = recipe.pretraining
    assert plan is not None, "only a recipe with pre-training makes a pair"
    parameters = training["parameters"] / 1e6
    out_of_scope = _OUT_OF_SCOPE.format(parameters=parameters)
    shared = {key: figures[key] for key in ("pairs", "answer_bytes")}
    base_bits = figures["base"]["bits_per_byte"]
    bits = figures["fine_tuned"]["bits_per_byte"]
    (base / "README.md").write_text(
        _HEADER
        + _BASE.format(
            **shared,
            parameters=parameters,
            layers=plan.layers,
            width=plan.width,
            context_tokens=plan.context_tokens,
            vocabulary=plan.vocabulary_tokens,
            blocks=plan.blocks,
            block_tokens=plan.block_tokens,
            books=len(sources),
            attribution="\n".join(
                f"- https://github.com/{source['repo']} at {source['commit']}" for source in sources
            ),
            bits_per_byte=base_bits,
            command=_COMMAND,
            out_of_scope=out_of_scope,
        ),
        encoding="utf-8",
    )
    (fine_tuned / "README.md").write_text(
        _HEADER
        + _FINE_TUNED.format(
            **shared,
            examples=training["examples"]["train"],
            base_bits=base_bits,
            bits_per_byte=bits,
            ratio=bits / base_bits,
            max_new_tokens=figures["fine_tuned"]["end_rate_max_new_tokens"],
            end_rate=figures["fine_tuned"]["end_rate"],
            unguarded=figures["fine_tuned"]["end_rate_unguarded"],
            guard=figures["fine_tuned"]["no_repeat_ngram_size"],
            command=_COMMAND,
            out_of_scope=out_of_scope,
        ),
        encoding="utf-8",
    )
