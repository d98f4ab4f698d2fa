"""The training format: what the template renders is what is taught, and texts are only text."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from training.prompt import CONTEXT, END, PAD, encode, encode_prompt, passage, reads, render


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
MARKERS = ["<question>", "<context>", "<answer>", "<end>", "<pad>"]


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


PASSAGES = (passage("Asthma", "It narrows the airways."), passage("Scurvy", "A lack of it."))


@pytest.fixture(scope="module")
def reader(reading_pair: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(reading_pair / "fine-tuned")
    return loaded


def test_only_a_tokenizer_with_the_marker_reads(
    tokenizers: Tokenizers, reader: PreTrainedTokenizerBase
) -> None:
    assert reads(reader)
    assert len(reader.encode(CONTEXT, add_special_tokens=False)) == 1
    assert not any(map(reads, tokenizers))


def test_passages_stand_between_question_and_answer_as_the_template_shows_them(
    reader: PreTrainedTokenizerBase,
) -> None:
    example = encode(QUESTION, ANSWER, reader, PASSAGES)
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "context", "topic": "Asthma", "content": "It narrows the airways."},
        {"role": "context", "topic": "Scurvy", "content": "A lack of it."},
        {"role": "assistant", "content": ANSWER},
    ]
    rendered = reader.apply_chat_template(messages, tokenize=False)
    assert rendered == (
        f"<question>{QUESTION}<context>About Asthma: It narrows the airways."
        f"<context>About Scurvy: A lack of it.<answer>{ANSWER}<end>"
    )
    assert example.ids == reader.encode(rendered, add_special_tokens=False)
    prompt = encode_prompt(QUESTION, reader, PASSAGES)
    assert example.ids[: example.prompt_tokens] == prompt
    assert reader.decode(prompt[-1:]) == "<answer>"


def test_nothing_found_is_an_empty_context(reader: PreTrainedTokenizerBase) -> None:
    ids = encode_prompt(QUESTION, reader, [""])
    assert reader.decode(ids) == f"<question>{QUESTION}<context><answer>"
    asked = [{"role": "user", "content": QUESTION}, {"role": "context", "content": ""}]
    shown = reader.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert reader.decode(ids) == shown


@settings(max_examples=50, deadline=None)
@given(
    topic=st.lists(st.sampled_from(["<context>", "<end>", "a", " "])).map("".join),
    text=st.lists(st.sampled_from([*MARKERS, "<|endoftext|>", "a", " ", "é"])).map("".join),
)
def test_passages_never_become_markers(
    topic: str, text: str, tokenizers: Tokenizers, reader: PreTrainedTokenizerBase
) -> None:
    ids = encode_prompt(text, reader, [passage(topic, text), text])
    special = [token_id for token_id in ids if token_id in reader.all_special_ids]
    markers = ["<question>", "<context>", "<context>", "<answer>"]
    assert reader.convert_ids_to_tokens(special) == markers
    written = f"<question>{text}<context>About {topic}: {text}<context>{text}<answer>"
    assert reader.decode(ids) == written
    _, base = tokenizers
    plain = encode_prompt(text, base, [passage(topic, text), text])
    assert base.decode(plain) == written
    assert not set(plain) & set(base.all_special_ids)


def test_a_model_that_cannot_read_gets_passages_as_plain_text(tokenizers: Tokenizers) -> None:
    tokenizer, _ = tokenizers
    ids = encode_prompt(QUESTION, tokenizer, PASSAGES)
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(ids).count(CONTEXT) == 2
