"""Passages in a prompt: the ids that were trained on, and never control."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from app.answering.prompt_format import Passage, PromptFormat
from app.engine.checkpoint import Checkpoint
from tests.app.conftest import loaded
from training.prompt import CHAT_TEMPLATE, READING_TEMPLATE, encode_prompt, passage

MARKERS = ["<question>", "<context>", "<answer>", "<end>", "<pad>", "<|endoftext|>"]
Texts = st.lists(st.sampled_from([*MARKERS, "About ", ": ", "a", " ", "é", "\ue001"])).map("".join)


@pytest.fixture(scope="module")
def reads(reading_pair: Path) -> Checkpoint:
    return loaded(reading_pair / "fine-tuned")


@pytest.fixture(scope="module")
def trained(reading_pair: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase]:
    return (
        AutoTokenizer.from_pretrained(reading_pair / "fine-tuned"),
        AutoTokenizer.from_pretrained(reading_pair / "base"),
    )


@settings(max_examples=60, deadline=None)
@given(question=Texts, passages=st.lists(st.tuples(Texts, Texts), max_size=3))
def test_prompts_are_those_of_training_and_hold_no_control(
    question: str,
    passages: list[tuple[str, str]],
    reads: Checkpoint,
    base: Checkpoint,
    trained: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase],
) -> None:
    prompt_format = PromptFormat.of_model(reads)
    given_texts = [Passage(*each) for each in passages]
    learned = [passage(*each) for each in passages] or [""]
    for checkpoint, tokenizer in zip((reads, base), trained, strict=True):
        ids = prompt_format.encode(question, checkpoint.tokenizer, given_texts)
        assert ids == encode_prompt(question, tokenizer, learned)
        special = [each for each in ids if each in checkpoint.tokenizer.special_ids]
        expected = ["<question>", *["<context>"] * len(learned), "<answer>"]
        shown = [checkpoint.tokenizer.decode([each]) for each in special]
        assert shown == (expected if checkpoint is reads else [])
        assert checkpoint.tokenizer.decode(ids) == prompt_format.render(question, given_texts)


def test_not_asked_to_read_is_the_prompt_without_context(reads: Checkpoint) -> None:
    prompt_format = PromptFormat.of_model(reads)
    assert prompt_format.render("Why?") == "<question>Why?<answer>"
    assert prompt_format.render("Why?", []) == "<question>Why?<context><answer>"


_WITHOUT_TITLE = READING_TEMPLATE.replace("About {{ message.topic }}: ", "")
_SILENT = READING_TEMPLATE.replace(
    "'context' %}<context>", "'context' and message.content %}<context>"
)
_STRICT = (
    "{% if messages | length > 1 %}{{ raise_exception('one only') }}{% endif %}" + CHAT_TEMPLATE
)
_FIRST = READING_TEMPLATE.replace("in messages", "in messages[:2]")


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, _WITHOUT_TITLE, _SILENT, _STRICT, _FIRST])
def test_a_template_that_does_not_show_passages_belongs_to_a_model_that_cannot_read(
    template: str, reads: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PromptFormat.of(reads.tokenizer).context
    monkeypatch.setattr(reads.tokenizer, "chat_template", template)
    found = PromptFormat.of(reads.tokenizer)
    assert found.context is None
    assert found.render("Why?") == "<question>Why?<answer>"
