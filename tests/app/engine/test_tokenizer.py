"""The tokenizer gives the ids that `AutoTokenizer` gives, for every shape of files we know."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2.exceptions import SecurityError, TemplateError
from transformers import AutoTokenizer

from app.engine.tokenizer_files import read_tokenizer
from app.errors import CheckpointError
from tests.conftest import edit_json

TEXTS = [
    "What is asthma?",
    " hello  world\n\n",
    "<question>Is <answer> it <end>?",
    "<|endoftext|>x<pad>",
    "é😀 naïve \u200b",
    "a" * 300,
    "<ctl>typed</s>",
    "",
]


def _as_saved(_: Path) -> None:
    pass


def _generic(directory: Path) -> None:
    edit_json(directory / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")


def _prefix_space(directory: Path) -> None:
    edit_json(directory / "tokenizer_config.json", add_prefix_space=True)


def _no_class(directory: Path) -> None:
    config = json.loads((directory / "tokenizer_config.json").read_text())
    del config["tokenizer_class"]
    (directory / "tokenizer_config.json").write_text(json.dumps(config))


def _no_config(directory: Path) -> None:
    (directory / "tokenizer_config.json").unlink()


def _own_added_tokens(directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.add_tokens(["<ctl>", "</s>"])
    tokenizer.save_pretrained(directory)


def _drops_white_space(directory: Path) -> None:
    _generic(directory)
    edit_json(
        directory / "tokenizer.json",
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                    "use_regex": True,
                },
            ],
        },
    )


def _saved_by_transformers_4(directory: Path) -> None:
    """As `save_pretrained` left it before there was `added_tokens_decoder`."""
    model = json.loads((directory / "tokenizer.json").read_text())["model"]
    merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
    (directory / "vocab.json").write_text(json.dumps(model["vocab"]))
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    (directory / "tokenizer.json").unlink()
    known = len(model["vocab"])
    markers = ["<question>", "<answer>", "<end>", "<pad>"]
    added = {text: known + place for place, text in enumerate(markers)}
    (directory / "added_tokens.json").write_text(json.dumps(added))
    pad = {"content": "<pad>", "lstrip": False, "rstrip": False, "normalized": True,
           "single_word": False}  # fmt: skip
    special: dict[str, Any] = {"eos_token": "<end>", "pad_token": pad}
    (directory / "special_tokens_map.json").write_text(json.dumps(special))
    config = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))


SHAPES = [
    _as_saved, _generic, _prefix_space, _no_class, _no_config, _own_added_tokens,
    _drops_white_space, _saved_by_transformers_4,
]  # fmt: skip


@pytest.mark.parametrize("change", SHAPES)
def test_ids_are_those_of_auto_tokenizer(broken: Path, change: Callable[[Path], None]) -> None:
    change(broken)
    theirs, ours = AutoTokenizer.from_pretrained(broken), read_tokenizer(broken)
    for text in TEXTS:
        plain = theirs.encode(text, add_special_tokens=False, split_special_tokens=True)
        marked = theirs.encode(text, add_special_tokens=False)
        assert ours.encode(text) == plain
        assert ours.encode_marked(text) == marked
        assert ours.encode(text) == plain  # the mode for markers has been left
        assert ours.decode(marked) == theirs.decode(marked, clean_up_tokenization_spaces=False)
    assert len(ours) == len(theirs)
    assert (ours.eos_token_id, ours.pad_token_id) == (theirs.eos_token_id, theirs.pad_token_id)
    assert set(ours.special_tokens) == set(theirs.all_special_tokens)
    assert ours.special_ids == set(theirs.all_special_ids)
    names = theirs.convert_ids_to_tokens(list(range(len(theirs))))
    assert ours.token_texts() == [theirs.convert_tokens_to_string([name]) for name in names]


@pytest.mark.parametrize(
    "template",
    [
        None,
        "{% for message in messages %}\n  {{ message.role }}: {{ message.content }}\n{% endfor %}",
        "{{ messages[0]['content'] | tojson }}{{ eos_token }}{% if add_generation_prompt %}A"
        "{% endif %}",
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.content }}"
        "{% endfor %}",
    ],
)
def test_templates_render_as_transformers_renders_them(broken: Path, template: str | None) -> None:
    if template is not None:
        (broken / "chat_template.jinja").write_text(template)
    messages = [{"role": "user", "content": "Is <end> é?"}]
    expected = AutoTokenizer.from_pretrained(broken).apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    assert read_tokenizer(broken).render(messages) == expected


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ ''.__class__.__mro__ }}", SecurityError),
        ("{{ messages.append(1) }}", SecurityError),
        ("{{ raise_exception('only one turn') }}", TemplateError),
    ],
)
def test_a_template_runs_nothing(broken: Path, template: str, error: type[Exception]) -> None:
    (broken / "chat_template.jinja").write_text(template)
    with pytest.raises(error):
        read_tokenizer(broken).render([{"role": "user", "content": "?"}])


def test_older_configurations_hold_the_template(broken: Path) -> None:
    (broken / "chat_template.jinja").unlink()
    named = [{"name": "default", "template": "D{{ messages[0].content }}"}]
    edit_json(broken / "tokenizer_config.json", chat_template=named)
    assert read_tokenizer(broken).render([{"role": "user", "content": "?"}]) == "D?"


def test_markers_that_were_saved_without_a_flag_become_special(broken: Path) -> None:
    _own_added_tokens(broken)
    tokenizer = read_tokenizer(broken)
    [control] = tokenizer.encode("<ctl>")  # as transformers would: typed text is control
    tokenizer.reserve(["<ctl>", "not there"])
    assert control not in tokenizer.encode("<ctl>")
    assert tokenizer.encode_marked("<ctl>") == [control]
    assert control in tokenizer.special_ids


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("tokenizer.json", '{"version": "1.0", "model": 7}', "cannot be read"),
        ("tokenizer.json", "version https://git-lfs", "cannot be read"),
        ("tokenizer_config.json", "[]", "holds no JSON object"),
        ("tokenizer_config.json", '{"tokenizer_class": "XLNetTokenizer"}', "cannot be read"),
    ],
)
def test_garbage_is_said(broken: Path, file: str, content: str, said: str) -> None:
    (broken / file).write_text(content)
    with pytest.raises(CheckpointError, match=said):
        read_tokenizer(broken)


def test_other_families_need_transformers(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit_json(broken / "tokenizer_config.json", tokenizer_class="CTRLTokenizer")
    monkeypatch.setattr("app.engine.tokenizer_files.find_spec", lambda _: None)
    with pytest.raises(CheckpointError, match=r"CTRLTokenizer.*needs transformers"):
        read_tokenizer(broken)


def test_a_directory_without_any(broken: Path) -> None:
    (broken / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"neither tokenizer.json nor vocab.json"):
        read_tokenizer(broken)
