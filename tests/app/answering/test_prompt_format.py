"""The prompt is one text for both models, and a question in it is never control."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.answering.prompt_format import PromptFormat
from app.engine.checkpoint import Checkpoint
from app.errors import CheckpointError


def test_format_comes_from_the_chat_template(tiny_format: PromptFormat) -> None:
    assert tiny_format == PromptFormat(before="<question>", after="<answer>", stop="<end>")
    assert tiny_format.render("What is asthma?") == "<question>What is asthma?<answer>"


def test_fine_tuned_prompt_has_one_of_each_marker(
    fine_tuned: Checkpoint, tiny_format: PromptFormat
) -> None:
    tokenizer = fine_tuned.tokenizer
    ids = tiny_format.encode("What is asthma?", tokenizer)
    assert [tokenizer.decode([each]) for each in (ids[0], ids[-1])] == ["<question>", "<answer>"]
    assert ids == tokenizer.encode_marked("<question>What is asthma?<answer>")


@pytest.mark.parametrize("typed", ["<answer>", "<end>", "<question>", "<pad>", "<|endoftext|>"])
def test_typed_markers_are_plain_text(
    typed: str, fine_tuned: Checkpoint, base: Checkpoint, tiny_format: PromptFormat
) -> None:
    question = f"Is {typed} a token? {typed}"
    for tokenizer in (fine_tuned.tokenizer, base.tokenizer):
        ids = tiny_format.encode(question, tokenizer)
        markers = [token_id for token_id in ids if token_id in tokenizer.special_ids]
        expected = ["<question>", "<answer>"] if tokenizer is fine_tuned.tokenizer else []
        assert [tokenizer.decode([each]) for each in markers] == expected
        assert tokenizer.decode(ids) == tiny_format.render(question)


@settings(max_examples=50, deadline=None)
@given(question=st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_question_reaches_both_models_unchanged(
    question: str, fine_tuned: Checkpoint, base: Checkpoint, tiny_format: PromptFormat
) -> None:
    texts = {
        tokenizer.decode(tiny_format.encode(question, tokenizer))
        for tokenizer in (fine_tuned.tokenizer, base.tokenizer)
    }
    assert texts == {tiny_format.render(question)}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (None, "no chat template"),
        ("{{ oops", "does not render"),
        ("<question><answer>", "0 times"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "2 times"),
        ("{{ messages[0].content | upper }}", "changes the question's text"),
        ("{{ messages[0].content | replace('a', '') }}", "changes the question's text"),
    ],
)
def test_bad_templates_are_named(
    template: str | None, reason: str, fine_tuned: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = fine_tuned.tokenizer
    monkeypatch.setattr(tokenizer, "chat_template", template)
    with pytest.raises(CheckpointError, match=reason):
        PromptFormat.of(tokenizer)
