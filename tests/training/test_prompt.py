"""The training format: what the template renders is what is taught, and texts are only text."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from training.prompt import END, PAD, encode, encode_prompt, render


@pytest.fixture(scope="module")
def tokenizers(
    pair: Path,
) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase]:
    return (
        AutoTokenizer.from_pretrained(f"{pair}/fine-tuned"),
        AutoTokenizer.from_pretrained(f"{pair}/base"),
    )


Tokenizers = tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase]
QUESTION, ANSWER = "What is asthma?", "A disease of the airways."


def test_markers_are_single_tokens_and_padding_is_not_the_end(tokenizers: Tokenizers) -> None:
    tokenizer, _ = tokenizers
    assert tokenizer.eos_token == END
    assert tokenizer.pad_token == PAD
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    for marker in ("<question>", "<answer>", END, PAD):
        assert len(tokenizer.encode(marker, add_special_tokens=False)) == 1


def test_a_pair_equals_its_rendered_text(tokenizers: Tokenizers) -> None:
    tokenizer, _ = tokenizers
    example = encode(QUESTION, ANSWER, tokenizer)
    rendered = render(QUESTION, ANSWER)
    assert rendered == f"<question>{QUESTION}<answer>{ANSWER}<end>"
    assert example.ids == tokenizer.encode(rendered, add_special_tokens=False)
    assert example.ids[: example.prompt_tokens] == encode_prompt(QUESTION, tokenizer)


def test_the_template_renders_the_same(tokenizers: Tokenizers) -> None:
    tokenizer, _ = tokenizers
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == render(QUESTION, ANSWER)


@settings(max_examples=50, deadline=None)
@given(text=st.lists(st.sampled_from(["<answer>", "<end>", "<pad>", "a", " ", "é"])).map("".join))
def test_texts_never_become_markers(text: str, tokenizers: Tokenizers) -> None:
    tokenizer, _ = tokenizers
    example = encode(text, text, tokenizer)
    special = [token_id for token_id in example.ids if token_id in tokenizer.all_special_ids]
    assert tokenizer.convert_ids_to_tokens(special) == ["<question>", "<answer>", "<end>"]
    assert tokenizer.decode(example.ids) == render(text, text)


def test_the_base_gets_the_prompt_as_plain_text(tokenizers: Tokenizers) -> None:
    tokenizer, base = tokenizers
    ids = encode_prompt(QUESTION, base)
    assert base.decode(ids) == tokenizer.decode(encode_prompt(QUESTION, tokenizer))
    assert not set(ids) & set(base.all_special_ids)
