"""Prepared pairs become examples that end in `<end>`, ask for no loss on prompts, and fit."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from tests.training.conftest import PAIRS, write_table
from training.data.examples import IGNORED, Pair, examples, read_pairs
from training.errors import DataError
from training.prompt import render
from training.recipe import Finetuning, load

PAIR = Pair("What is asthma?", "A disease of the airways.")
LONG = Pair("What helps?", "Rest does. So do fluids! Is it grave? Mostly not. Ask. In time.")


def plan(**changes: object) -> Finetuning:
    return load("full").finetuning.model_copy(update=changes)


def test_loss_on_the_answer_leaves_the_prompt_out(tokenizer: PreTrainedTokenizerBase) -> None:
    (example,) = examples([PAIR], tokenizer, plan(loss="answer"), 128)
    masked = example["labels"].count(IGNORED)
    assert tokenizer.decode(example["input_ids"]) == render(*PAIR)
    assert tokenizer.decode(example["input_ids"][:masked]) == "<question>What is asthma?<answer>"
    assert example["labels"][masked:] == example["input_ids"][masked:]


def test_loss_on_the_sequence_masks_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    (example,) = examples([PAIR], tokenizer, plan(loss="sequence"), 128)
    assert example["labels"] == example["input_ids"]


@pytest.mark.parametrize("loss", ["answer", "sequence"])
@pytest.mark.parametrize("limit", [128, 50])
def test_end_always_has_its_label(
    tokenizer: PreTrainedTokenizerBase, loss: str, limit: int
) -> None:
    found = examples([PAIR, LONG], tokenizer, plan(loss=loss, max_tokens=limit), 128)
    assert len(found) == 2
    for example in found:
        assert example["labels"][-1] == tokenizer.eos_token_id
        assert example["labels"].count(tokenizer.eos_token_id) == 1


def test_cut_keeps_the_most_whole_sentences_that_fit(tokenizer: PreTrainedTokenizerBase) -> None:
    sentences = ["Rest does.", "So do fluids!", "Is it grave?", "Mostly not.", "Ask.", "In time."]
    texts = [render(LONG.question, " ".join(sentences[:count])) for count in range(1, 7)]
    lengths = [len(tokenizer.encode(text, add_special_tokens=False)) for text in texts]
    for limit in range(lengths[0], lengths[-1] + 2):
        (example,) = examples([LONG], tokenizer, plan(max_tokens=limit), 128)
        fitting = sum(length <= limit for length in lengths)
        assert tokenizer.decode(example["input_ids"]) == texts[fitting - 1]
        assert len(example["input_ids"]) <= limit


def test_cut_leaves_out_what_has_no_sentence_that_fits(tokenizer: PreTrainedTokenizerBase) -> None:
    endless = Pair("Why?", "because " * 100)
    assert examples([endless, PAIR], tokenizer, plan(max_tokens=60), 128) == examples(
        [PAIR], tokenizer, plan(), 128
    )


def test_drop_leaves_out_what_is_too_long(tokenizer: PreTrainedTokenizerBase) -> None:
    length = len(tokenizer.encode(render(*LONG), add_special_tokens=False))
    for limit, count in [(length, 2), (length - 1, 1)]:
        dropping = plan(too_long="drop", max_tokens=limit)
        assert len(examples([LONG, PAIR], tokenizer, dropping, 128)) == count


@pytest.mark.parametrize("too_long", ["cut", "drop"])
def test_a_limit_that_nothing_fits_is_named(
    tokenizer: PreTrainedTokenizerBase, too_long: str
) -> None:
    with pytest.raises(DataError, match="fits in 8 tokens"):
        examples([PAIR, LONG], tokenizer, plan(too_long=too_long, max_tokens=8), 128)


def test_the_models_context_is_a_limit_too(tokenizer: PreTrainedTokenizerBase) -> None:
    (example,) = examples([LONG], tokenizer, plan(max_tokens=1024), 50)
    assert len(example["input_ids"]) <= 50


def test_pairs_are_read_by_split_and_by_the_notebooks_mark(tmp_path: Path) -> None:
    data = write_table(tmp_path, {"train": {"Is NA a word?": "null"}, "valid_seen": PAIRS})
    assert read_pairs(data, "Split", "train") == [("Is NA a word?", "null")]
    assert read_pairs(data, "SeedRow", "valid") == list(PAIRS.items())


def test_a_table_that_is_missing_says_which_command_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"prepare --out {tmp_path}` writes it"):
        read_pairs(tmp_path, "Split", "train")


def test_a_split_without_rows_is_named(data: Path) -> None:
    with pytest.raises(DataError, match=r"medquad\.csv has no rows with Split 'test'"):
        read_pairs(data, "Split", "test")
    with pytest.raises(DataError, match=r"SeedRow 'none': the notebook's rows are of topics with"):
        read_pairs(data, "SeedRow", "none")
