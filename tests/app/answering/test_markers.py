"""Markers that a tokenizer does not call special, and templates of plain words."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from app.answering.detokenizer import AnswerText
from app.answering.prompt_format import PromptFormat
from app.engine.tokenizer import Tokenizer
from app.engine.tokenizer_files import read_tokenizer
from tests.app.engine.test_tokenizer import _generic, _saved_by_transformers_4
from tests.conftest import edit_json

MARKERS = ["<question>", "<answer>"]
QUESTION = "Is <answer> safe with <end>,<question>?"


def _never_special(directory: Path) -> None:
    """Leave the markers as what `add_tokens` makes of them."""
    fields = json.loads((directory / "tokenizer.json").read_text())
    for token in fields["added_tokens"]:
        if token["content"] in MARKERS:
            token |= {"special": False, "normalized": True}
    (directory / "tokenizer.json").write_text(json.dumps(fields))
    edit_json(directory / "tokenizer_config.json", extra_special_tokens=[])


def _never_special_in_a_generic_class(directory: Path) -> None:
    _generic(directory)
    _never_special(directory)


def _taking_spaces_along(directory: Path) -> None:
    """Have the markers swallow the white space around them, too."""
    _never_special(directory)
    fields = json.loads((directory / "tokenizer.json").read_text())
    for token in fields["added_tokens"]:
        token |= {"lstrip": True, "rstrip": True, "single_word": False}
    (directory / "tokenizer.json").write_text(json.dumps(fields))


def _special_and_taking_spaces_along(directory: Path) -> None:
    """Have the markers be special from the beginning, and swallow white space."""
    fields = json.loads((directory / "tokenizer.json").read_text())
    for token in fields["added_tokens"]:
        token |= {"lstrip": True, "rstrip": True}
    (directory / "tokenizer.json").write_text(json.dumps(fields))


def _as_served(directory: Path) -> tuple[PromptFormat, Tokenizer]:
    """Read a format and its tokenizer as the service does at its start."""
    tokenizer = read_tokenizer(directory)
    found = PromptFormat.of(tokenizer)
    found.reserve_markers(tokenizer)
    return found, tokenizer


def _assert_ids_of_transformers(directory: Path, template: str, question: str) -> None:
    jinja = template.format(q="{{ messages[0]['content'] }}")
    (directory / "chat_template.jinja").write_text(jinja)
    prompt_format, tokenizer = _as_served(directory)
    theirs = AutoTokenizer.from_pretrained(directory).apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
    )
    assert prompt_format.encode(question, tokenizer) == theirs


@pytest.mark.parametrize(
    "change",
    [_never_special, _never_special_in_a_generic_class, _taking_spaces_along,
     _saved_by_transformers_4],
)  # fmt: skip
def test_what_a_person_types_is_no_marker_and_none_is_shown(
    broken: Path, change: Callable[[Path], None]
) -> None:
    change(broken)
    prompt_format, tokenizer = _as_served(broken)
    marked = [tokenizer.encode_marked(marker) for marker in [*MARKERS, "<end>"]]
    assert all(len(ids) == 1 for ids in marked)
    question, answer, end = (ids[0] for ids in marked)
    ids = prompt_format.encode(QUESTION, tokenizer)
    assert [each for each in ids if each in (question, answer, end)] == [question, answer]
    assert (ids[0], ids[-1]) == (question, answer)
    assert tokenizer.decode(ids) == f"<question>{QUESTION}<answer>"
    text = AnswerText(tokenizer, ["<end>"])
    said = [question, *tokenizer.encode("Yes"), answer, *tokenizer.encode(", it is."), end]
    assert "".join(map(text.push, said)) + text.finish() == "Yes, it is."


@pytest.mark.parametrize(
    "template",
    [
        "Question: {q}\nAnswer:", "{q}", " {q} ", "Q:{q}A:", "\n\n{q}\n\n", "ab{q}cd",
        "<question>{q}\nAnswer:<answer>", "Question: <question> {q} <answer> ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("question", ["What is asthma?", "of the airways", " lungs\n"])
def test_a_prompt_is_parted_at_special_tokens_alone(
    broken: Path, template: str, question: str
) -> None:
    _assert_ids_of_transformers(broken, template, question)


@pytest.mark.parametrize("change", [_taking_spaces_along, _special_and_taking_spaces_along])
@pytest.mark.parametrize("template", ["<question>{q}<answer>", "Q: <question>\n{q}\n <answer> A "])
@pytest.mark.parametrize("question", ["What is asthma?", "  lungs \n", "\u3000air"])
def test_markers_swallow_white_space_as_they_were_saved_to(
    broken: Path, change: Callable[[Path], None], template: str, question: str
) -> None:
    change(broken)
    _assert_ids_of_transformers(broken, template, question)


@pytest.mark.parametrize(
    "template",
    [
        "{{ bos_token }}{{ messages[0].content | trim }}{{ pad_token }}",
        "{% for m in messages %}{{ m.role }}: {{ m.content.strip() }}\n{% endfor %}assistant:",
        "{% if tools is not none %}Tools!{% endif %}{{ documents or '' }}{{ messages[0].content }}",
        "{{ messages[0].content }}{% generation %}A:{% endgeneration %}",
    ],
)
@pytest.mark.parametrize("question", ["What is asthma?", "  lungs \n"])
def test_templates_of_others_give_the_ids_that_they_give_there(
    broken: Path, template: str, question: str
) -> None:
    (broken / "chat_template.jinja").write_text(template)
    prompt_format, tokenizer = _as_served(broken)
    theirs = AutoTokenizer.from_pretrained(broken).apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
    )
    assert prompt_format.encode(question, tokenizer) == theirs
