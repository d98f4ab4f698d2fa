"""The demo pair from nothing: one command makes both directories, their figures and their cards."""

import json
from pathlib import Path

import pytest
import yaml

from app.answering.prompt_format import PromptFormat
from tests.app.conftest import loaded
from tests.conftest import SENTENCES
from training.__main__ import main

OPTIMISATION = {
    "learning_rate": 1e-3,
    "warmup_steps": 1,
    "weight_decay": 0.1,
    "adam_beta2": 0.98,
    "max_gradient_norm": 1.0,
    "batch_sequences": 2,
}
RECIPE = {
    "name": "tiny",
    "seed": 1,
    "saved_dtype": "bfloat16",
    "pretraining": {
        "vocabulary_tokens": 512,
        "context_tokens": 128,
        "layers": 1,
        "heads": 2,
        "width": 32,
        "block_tokens": 16,
        "blocks": 8,
        "validation_blocks": 2,
        "optimisation": OPTIMISATION,
    },
    "finetuning": {
        "rows": "train",
        "epochs": 1,
        "max_tokens": 128,
        "too_long": "drop",
        "loss": "answer",
        "dropout": 0.0,
        "gradient_checkpointing": False,
        "group_by_length": True,
        "epochs_between_evaluations": 1,
        "optimisation": OPTIMISATION,
    },
}


@pytest.mark.long
def test_one_command_makes_the_pair(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, corpus = tmp_path / "tiny.yaml", tmp_path / "books.jsonl"
    recipe.write_text(yaml.safe_dump(RECIPE))
    documents = [
        {"book": "tales", "module": str(number), "text": " ".join(SENTENCES)}
        for number in range(10)
    ]
    corpus.write_text("".join(json.dumps(document) + "\n" for document in documents))
    sources = [{"repo": "ada/tales", "commit": "0123456789abcdef"}]
    (tmp_path / "books-sources.json").write_text(json.dumps(sources))
    out = tmp_path / "demo"
    command = ["demo", "--recipe", str(recipe), "--corpus", str(corpus), "--data", str(data)]

    assert main([*command, "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "fine-tuned" / "report.html")
    figures = json.loads((out / "fine-tuned" / "metrics.json").read_text())
    measured = figures["splits"]["test_unseen"]["systems"]["base"]["bits_per_byte"]["value"]
    for name in ("base", "fine-tuned"):
        checkpoint = loaded(out / name)
        card = (out / name / "README.md").read_text()
        assert "CC BY 4.0" in card
        assert json.loads((out / name / "training.json").read_text())["recipe"]["name"] == "tiny"
    assert PromptFormat.of_model(checkpoint).stop == "<end>"
    base_card = (out / "base" / "README.md").read_text()
    assert "github.com/ada/tales at 0123456789ab" in base_card
    assert f"{measured:.3f}" in base_card
    weights = out / "fine-tuned" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert main([*command, "--out", str(out)]) == 0  # what is there is not made again
    assert weights.stat().st_mtime_ns == before
