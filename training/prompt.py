"""The format that a model is trained in: special tokens, chat template, one pair as token ids.

    <question>What is asthma?<answer>Asthma is …<end>

It travels with the tokenizer as its chat template, so that a server needs none of this code.
"""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

QUESTION, ANSWER, END, PAD = "<question>", "<answer>", "<end>", "<pad>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}" + QUESTION + "{{ message.content }}"
    "{% elif message.role == 'assistant' %}"
    + ANSWER
    + "{{ message.content }}"
    + END
    + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + ANSWER + "{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Example:
    """One pair as token ids; the first `prompt_tokens` are the question with its markers."""

    ids: list[int]
    prompt_tokens: int


def add_format(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a base tokenizer the markers and the template.

    `<end>` becomes the end of sequence; padding is a token of its own, so that masking it out of
    the loss does not mask `<end>` too.
    """
    tokenizer.add_special_tokens(
        {"eos_token": END, "pad_token": PAD, "extra_special_tokens": [QUESTION, ANSWER]}
    )
    tokenizer.chat_template = CHAT_TEMPLATE


def marker_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of the markers and of padding, in order."""
    ids: Any = tokenizer.convert_tokens_to_ids([QUESTION, ANSWER, END, PAD])
    return sorted(ids)


def render(question: str, answer: str) -> str:
    """Return a pair as one line of text."""
    return f"{QUESTION}{question}{ANSWER}{answer}{END}"


def encode_text(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return a text's token ids; markers that it spells are plain text."""
    # Not verbose: a text beyond the context is cut by those who know it, without a warning.
    ids: list[int] = tokenizer.encode(
        text, add_special_tokens=False, split_special_tokens=True, verbose=False
    )
    return ids


def encode(question: str, answer: str, tokenizer: PreTrainedTokenizerBase) -> Example:
    """Return a pair's token ids, markers included, with its texts as plain text."""
    marker: Any = tokenizer.convert_tokens_to_ids  # one id for one token
    prompt = [marker(QUESTION), *encode_text(question, tokenizer), marker(ANSWER)]
    return Example([*prompt, *encode_text(answer, tokenizer), marker(END)], len(prompt))


def encode_prompt(question: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the prompt's ids for a model to continue.

    A base tokenizer, which has no markers, gets the same prompt as plain text.
    """
    if tokenizer.eos_token == END:
        return encode(question, "", tokenizer).ids[:-1]
    return encode_text(f"{QUESTION}{question}{ANSWER}", tokenizer)
