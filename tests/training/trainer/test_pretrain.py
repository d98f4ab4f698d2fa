"""Pre-training: an interrupted run ends where a whole one ends."""

import json
from pathlib import Path

import pytest
import torch

from tests.conftest import SENTENCES
from tests.training.test_demo import RECIPE
from tests.training.test_finetune import weights
from training.recipe import Recipe
from training.trainer import pretrain as pretraining
from training.trainer.pretrain import pretrain
from training.trainer.trainers import FiniteTrainer


def test_a_killed_run_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "_CHECKPOINT_STEPS", 2)
    corpus = tmp_path / "books.jsonl"
    document = {"book": "tales", "text": " ".join(SENTENCES)}
    lines = [json.dumps(document | {"module": str(number)}) for number in range(10)]
    corpus.write_text("\n".join(lines))
    recipe = Recipe.model_validate(RECIPE)
    step = FiniteTrainer.training_step

    def killed(self: FiniteTrainer, *arguments: object, **named: object) -> torch.Tensor:
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(FiniteTrainer, "training_step", killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(recipe, corpus, [], tmp_path / "stopped", tmp_path / "work")
    assert not (tmp_path / "stopped").exists()
    assert (tmp_path / "work" / "checkpoint-2").is_dir()
    resumed = pretrain(recipe, corpus, [], tmp_path / "stopped", tmp_path / "work")
    whole = pretrain(recipe, corpus, [], tmp_path / "whole", tmp_path / "other")
    assert resumed["eval_loss"] == whole["eval_loss"]
    expected = weights(tmp_path / "whole")
    for name, value in weights(tmp_path / "stopped").items():
        assert torch.equal(value, expected[name]), name
    assert (tmp_path / "whole" / "learning-curves.png").stat().st_size > 1000
