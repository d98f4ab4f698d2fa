"""The format that a model is trained in: special tokens, chat template, texts as token ids.

Without published text, and with it, for a model that learned to read (`training.reading`):

    <question>What is asthma?<answer>Asthma is …<end>
    <question>What is asthma?<context>About asthma: Asthma is a disease …<answer>Asthma is a …<end>
    <question>What is asthma?<context><answer>None of the published answers found …<end>

Every passage follows a `<context>` of its own and begins with its topic; an empty one says that
nothing was found.
The format travels with the tokenizer as its chat template, so that a server needs none of this
code: a question is a message of the role `user`, and each passage, after it, one of the role
`context`, with its `topic` beside its `content`. A template without that role belongs to a model
that cannot read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

QUESTION, CONTEXT, ANSWER, END, PAD = "<question>", "<context>", "<answer>", "<end>", "<pad>"
NOT_FOUND = "The published answers found do not tell."
"""What a model that reads answers where nothing was found to read."""


def _template(*roles: tuple[str, str, str]) -> str:
    """Return a template that shows each role's messages between two markers."""
    branches = "".join(
        f"{{% {'elif' if number else 'if'} message.role == '{role}' %}}"
        f"{before}{{{{ message.content }}}}{after}"
        for number, (role, before, after) in enumerate(roles)
    )
    return (
        f"{{% for message in messages %}}{branches}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{ANSWER}{{% endif %}}"
    )


CHAT_TEMPLATE = _template(("user", QUESTION, ""), ("assistant", ANSWER, END))
READING_TEMPLATE = _template(
    ("user", QUESTION, ""),
    ("context", CONTEXT + "{% if message.topic %}About {{ message.topic }}: {% endif %}", ""),
    ("assistant", ANSWER, END),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One text as token ids; the first `prompt_tokens` are all before its answer."""

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


def add_context(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a tokenizer that has the format the marker of passages, and the template with them."""
    tokenizer.add_special_tokens({"extra_special_tokens": [QUESTION, ANSWER, CONTEXT]})
    tokenizer.chat_template = READING_TEMPLATE


def reads(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether a tokenizer's model learned to read passages."""
    return CONTEXT in tokenizer.all_special_tokens


def marker_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of the markers and of padding, in order."""
    ids: Any = tokenizer.convert_tokens_to_ids([QUESTION, ANSWER, END, PAD])
    return sorted(ids)


def render(question: str, answer: str) -> str:
    """Return a pair as one line of text."""
    return f"{QUESTION}{question}{ANSWER}{answer}{END}"


def passage(topic: str, text: str) -> str:
    """Return a published text about a topic as it stands in a prompt."""
    return f"About {topic}: {text}"


def encode_text(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return a text's token ids; markers that it spells are plain text."""
    # Not verbose: a text beyond the context is cut by those who know it, without a warning.
    ids: list[int] = tokenizer.encode(
        text, add_special_tokens=False, split_special_tokens=True, verbose=False
    )
    return ids


def encode(
    question: str, answer: str, tokenizer: PreTrainedTokenizerBase, passages: Sequence[str] = ()
) -> Example:
    """Return a text's token ids, markers included, with its parts as plain text.

    Passages are for a tokenizer that `reads`.
    """
    marker: Any = tokenizer.convert_tokens_to_ids  # one id for one token
    prompt = [marker(QUESTION), *encode_text(question, tokenizer)]
    for text in passages:
        prompt += [marker(CONTEXT), *encode_text(text, tokenizer)]
    prompt.append(marker(ANSWER))
    return Example([*prompt, *encode_text(answer, tokenizer), marker(END)], len(prompt))


def encode_prompt(
    question: str, tokenizer: PreTrainedTokenizerBase, passages: Sequence[str] = ()
) -> list[int]:
    """Return the prompt's ids for a model to continue.

    A tokenizer that has no token for them gets the same markers as plain text.
    """
    if tokenizer.eos_token == END and (reads(tokenizer) or not passages):
        return encode(question, "", tokenizer, passages).ids[:-1]
    context = "".join(CONTEXT + text for text in passages)
    return encode_text(f"{QUESTION}{question}{context}{ANSWER}", tokenizer)
