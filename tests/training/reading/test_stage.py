"""The reading stage on a handful of pairs: what it leaves, goes on from, and refuses."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoTokenizer, TrainerState

from app.answering.prompt_format import ContextFormat, PromptFormat
from tests.app.conftest import loaded
from tests.training.conftest import PAIRS, write_table
from tests.training.reading.conftest import reading_recipe
from tests.training.test_finetune import recipe, weights
from training.__main__ import main
from training.errors import DataError, TrainingError
from training.finetune import finetune
from training.prompt import CONTEXT, QUESTION, READING_TEMPLATE, reads
from training.reading import stage
from training.reading.stage import (
    has_learned_to_read,
    is_reading,
    learn_to_read,
    reading_checkpoints_of,
    with_context,
)
from training.recipe import Recipe
from training.trainer.base_model import load_to_go_on
from training.trainer.interruption import Interruption


@pytest.fixture(scope="module", autouse=True)
def short_validation() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stage, "_VALIDATION_ROWS", 6)  # 200 would take most of the time
        yield


def written(plan: Recipe, path: Path) -> str:
    path.write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    return str(path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pairs")
    return write_table(directory, {"train": PAIRS, "valid_unseen": PAIRS})


@pytest.fixture(scope="module")
def taught(pair: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that one command fine-tuned and then taught to read."""
    directory = tmp_path_factory.mktemp("taught")
    plan = written(reading_recipe(), directory / "recipe.yaml")
    arguments = ["--recipe", plan, "--data", str(pairs), "--base", str(pair / "base")]
    assert main(["finetune", *arguments, "--out", str(directory / "model")]) == 0
    return directory / "model"


@pytest.fixture
def fine_tuned(pair: Path, taught: Path, tmp_path: Path) -> Path:
    """A copy of the fine-tuned model, which cannot read, and its record."""
    shutil.copytree(pair / "fine-tuned", tmp_path / "model")
    record = json.loads((taught / "training.json").read_text())
    del record["reading"]
    (tmp_path / "model" / "training.json").write_text(json.dumps(record))
    return tmp_path / "model"


def test_one_command_leaves_a_model_that_reads(taught: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(taught)
    assert reads(tokenizer)
    assert tokenizer.chat_template == READING_TEMPLATE
    served = PromptFormat.of_model(loaded(taught))
    assert served.context == ContextFormat("<context>About ", ": ", "<context>About ", "<context>")
    assert (served.before, served.after, served.stop) == ("<question>", "<answer>", "<end>")
    assert not reading_checkpoints_of(taught).exists()
    assert has_learned_to_read(taught)


def test_the_record_has_both_stages_and_the_answers_learned_from(taught: Path) -> None:
    record = json.loads((taught / "training.json").read_text())
    assert record["examples"] == {"train": 4, "valid": 4}, "fine-tuning's"
    assert record["reading"]["examples"] == {"train": 8, "valid": 6}
    assert record["recipe"]["reading"]["rows"] == 8
    assert record["reading"]["data"] == record["data"]
    evaluated = [each for each in record["reading"]["log"] if "eval_loss" in each]
    assert len(evaluated) == 2
    assert (taught / "training_text.npz").stat().st_size
    assert {file.suffix for file in taught.iterdir()} == {
        ".json", ".jinja", ".safetensors", ".npz", ".png", ".md",
    }  # fmt: skip


def test_a_recipe_without_the_section_ends_with_fine_tuning(
    pair: Path, pairs: Path, tmp_path: Path, fine_tuned: Path
) -> None:
    plan, out = written(recipe(1), tmp_path / "recipe.yaml"), tmp_path / "closed-book"
    arguments = ["--recipe", plan, "--data", str(pairs), "--base", str(pair / "base")]
    assert main(["finetune", *arguments, "--out", str(out)]) == 0
    assert not has_learned_to_read(out)
    assert CONTEXT not in (out / "chat_template.jinja").read_text()
    with pytest.raises(TrainingError, match="recipe test has no reading section"):
        learn_to_read(recipe(1), pairs, fine_tuned)


def test_a_model_that_was_not_fine_tuned_is_refused_in_one_line(
    pair: Path, pairs: Path, tmp_path: Path
) -> None:
    shutil.copytree(pair / "base", tmp_path / "base")
    with pytest.raises(TrainingError, match="it has no <end>") as refused:
        learn_to_read(reading_recipe(), pairs, tmp_path / "base")
    assert "\n" not in str(refused.value)
    with pytest.raises(TrainingError, match="nowhere"):
        learn_to_read(reading_recipe(), pairs, tmp_path / "nowhere")


def test_the_marker_begins_between_the_other_two_and_old_rows_stay(pair: Path) -> None:
    before = weights(pair / "fine-tuned")["transformer.wte.weight"]
    model, tokenizer = load_to_go_on(pair / "fine-tuned", dropout=0.0)
    old = len(tokenizer)
    with_context(model, tokenizer)
    embeddings: Any = model.get_input_embeddings()
    marker: Any = tokenizer.convert_tokens_to_ids
    assert marker(CONTEXT) == old
    assert torch.equal(embeddings.weight[:old], before[:old])
    middle = (before[marker(QUESTION)] + before[marker("<answer>")]) / 2
    torch.testing.assert_close(embeddings.weight[marker(CONTEXT)].detach(), middle)
    assert tokenizer.eos_token == "<end>"
    with_context(model, tokenizer)
    assert len(tokenizer) == old + 1, "one marker, however often"


def test_what_is_longer_than_the_models_context_is_left_out(
    fine_tuned: Path, tmp_path: Path
) -> None:
    """The recipe says 1,024 tokens, the tiny model has 128."""
    rows = PAIRS | {"What is long?": "A long answer goes on. " * 30}
    data = write_table(tmp_path / "data", {"train": rows, "valid_unseen": PAIRS})
    plan = reading_recipe(12, mixture={"shares": {"without_passage": 1.0}})
    longer = plan.finetuning.model_copy(update={"max_tokens": 1024})
    learn_to_read(plan.model_copy(update={"finetuning": longer}), data, fine_tuned)
    assert has_learned_to_read(fine_tuned)


def test_data_of_which_nothing_fits_are_told(fine_tuned: Path, tmp_path: Path) -> None:
    rows = {f"What is {'long ' * 60}?": "It goes on."}
    data = write_table(tmp_path / "data", {"train": rows, "valid_unseen": PAIRS})
    with pytest.raises(DataError, match="fits with its passage and answer in 128 tokens"):
        learn_to_read(reading_recipe(), data, fine_tuned)
    assert not has_learned_to_read(fine_tuned)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ctrl-C come in that step of a reading stage."""
    before = Interruption.on_step_end

    def interrupted(
        self: Interruption, args: Any, state: TrainerState, *rest: Any, **more: Any
    ) -> None:
        if "reading" in args.output_dir and state.global_step == step:
            self.came = True  # what the handler notes; a real signal is test_finetune's
        before(self, args, state, *rest, **more)

    monkeypatch.setattr(Interruption, "on_step_end", interrupted)


def test_a_stopped_stage_resumes_by_the_same_recipe_and_no_other(
    pair: Path,
    pairs: Path,
    taught: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "model"
    plan = written(reading_recipe(), tmp_path / "recipe.yaml")
    other = written(reading_recipe(dropout=0.1), tmp_path / "other.yaml")
    arguments = ["--data", str(pairs), "--base", str(pair / "base"), "--out", str(out)]
    with monkeypatch.context() as patched:
        interrupt_at(3, patched)
        assert main(["finetune", "--recipe", plan, *arguments]) == 130
    assert "stopped; --resume goes on from" in capsys.readouterr().err
    assert is_reading(out)
    assert not has_learned_to_read(out)

    assert main(["finetune", "--recipe", other, *arguments, "--resume"]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "recipe.reading.dropout 0.0, not 0.1" in told
    assert is_reading(out), "it is still there to resume"

    assert main(["finetune", "--recipe", plan, *arguments, "--resume"]) == 0
    assert has_learned_to_read(out)
    assert not reading_checkpoints_of(out).exists()
    whole = weights(taught)
    for name, value in weights(out).items():
        assert torch.equal(value, whole[name]), name


def test_a_new_run_forgets_where_an_older_one_was_stopped(
    pair: Path, pairs: Path, fine_tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        interrupt_at(2, patched)
        with pytest.raises(KeyboardInterrupt):
            learn_to_read(reading_recipe(), pairs, fine_tuned)
    assert is_reading(fine_tuned)
    finetune(reading_recipe(), pairs, str(pair / "base"), fine_tuned)
    assert not is_reading(fine_tuned)
