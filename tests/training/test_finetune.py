"""Fine-tuning on a handful of pairs: it learns, stops, survives Ctrl-C, says what is wrong."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq

from tests.training.conftest import write_table
from training.__main__ import main
from training.data.examples import IGNORED
from training.finetune import finetune
from training.prompt import END, PAD, encode, encode_prompt
from training.recipe import Recipe
from training.trainer.base_model import load_base
from training.trainer.checkpoints import checkpoints_of

ROOT = Path(__file__).parents[2]
QUESTION = "What is asthma?"
ANSWER = "Asthma is a disease of the airways in the lungs."


def recipe(epochs: float, learning_rate: float = 1e-2, **changes: object) -> Recipe:
    optimisation = {
        "learning_rate": learning_rate,
        "warmup_steps": 2,
        "weight_decay": 0.0,
        "adam_beta2": 0.98,
        "max_gradient_norm": 1.0,
        "batch_sequences": changes.pop("batch_sequences", 2),
        "accumulation_steps": changes.pop("accumulation_steps", 1),
        "muon_learning_rate": changes.pop("muon_learning_rate", None),
    }
    plan = {
        "rows": "train",
        "epochs": epochs,
        "max_tokens": 128,
        "too_long": "cut",
        "loss": "answer",
        "dropout": 0.0,
        "gradient_checkpointing": False,
        "group_by_length": True,
        "epochs_between_evaluations": 5,
        "optimisation": optimisation,
    }
    return Recipe.model_validate({"name": "test", "seed": 3, "finetuning": plan | changes})


def weights(directory: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return dict(model.state_dict())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {QUESTION: ANSWER, "How is it treated?": "With rest and fluids."}
    directory = tmp_path_factory.mktemp("pairs")
    return write_table(directory, {"train": rows, "valid_unseen": rows})


@pytest.fixture(scope="module")
def taught(pair: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("taught") / "model"
    finetune(recipe(60, gradient_checkpointing=True), pairs, str(pair / "base"), out)
    return out


def test_it_reproduces_an_answer_and_stops_by_end(taught: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(taught)
    model: Any = AutoModelForCausalLM.from_pretrained(taught, dtype=torch.float32)
    prompt = torch.tensor([encode_prompt(QUESTION, tokenizer)])
    output = model.generate(prompt, max_new_tokens=60, do_sample=False)[0, prompt.shape[1] :]
    assert tokenizer.decode(output) == f"{ANSWER}{END}"


def test_the_directory_is_all_that_a_server_needs(taught: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(taught)
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], tokenize=False, add_generation_prompt=True
    )
    assert rendered == f"<question>{QUESTION}<answer>"
    config = json.loads((taught / "config.json").read_text())
    generation = json.loads((taught / "generation_config.json").read_text())
    for ids in (config, generation):
        assert ids["eos_token_id"] == tokenizer.convert_tokens_to_ids(END)
        assert ids["pad_token_id"] == tokenizer.convert_tokens_to_ids(PAD)
    assert not {key for key in config if "attn_implementation" in key}
    assert {file.suffix for file in taught.iterdir()} == {
        ".json", ".jinja", ".safetensors", ".npz", ".png", ".md",
    }  # fmt: skip
    record = json.loads((taught / "training.json").read_text())
    assert record["data"]["sha256"]
    assert record["base"] == "base"  # and not where it lies on this machine
    card = (taught / "README.md").read_text()
    assert "# medqa: model" in card
    assert "2 pairs of its `train` split" in card
    assert not checkpoints_of(taught).exists()


def test_new_rows_start_at_the_mean_and_old_rows_stay(pair: Path) -> None:
    base = weights(pair / "base")["transformer.wte.weight"]
    model, tokenizer = load_base(str(pair / "base"), None, dropout=0.0)
    embeddings: Any = model.get_input_embeddings()
    grown = embeddings.weight
    assert torch.equal(grown[: len(base)], base)
    for row in grown[len(base) : len(tokenizer)]:
        torch.testing.assert_close(row, base.mean(dim=0))


def test_end_keeps_its_label_and_padding_has_none(pair: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(pair / "fine-tuned")
    examples = [encode(QUESTION, answer, tokenizer).ids for answer in (ANSWER, "Yes.")]
    batch = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)(
        [{"input_ids": ids, "labels": ids} for ids in examples]
    )
    padding = batch["input_ids"] == tokenizer.pad_token_id
    assert padding.any()
    assert (batch["labels"][padding] == IGNORED).all()
    assert (batch["attention_mask"][padding] == 0).all()
    ends = batch["input_ids"] == tokenizer.eos_token_id
    assert ends.sum() == 2
    assert (batch["labels"][ends] == tokenizer.eos_token_id).all()


def test_accumulated_batches_weigh_every_answer_token_the_same(pair: Path, tmp_path: Path) -> None:
    rows = {"What is it?": "Short.", "What is long?": "This " + "is a long answer " * 5}
    data = write_table(tmp_path / "data", {"train": rows, "valid_unseen": rows})
    logs = []
    for batch, accumulation in [(2, 1), (1, 2)]:
        out = tmp_path / f"batch-{batch}"
        plan = recipe(2, batch_sequences=batch, accumulation_steps=accumulation)
        finetune(plan, data, str(pair / "base"), out)
        log = json.loads((out / "training.json").read_text())["log"]
        logs.append([(entry["loss"], entry["grad_norm"]) for entry in log if "grad_norm" in entry])
    assert logs[0]
    assert logs[0] == [pytest.approx(entry, rel=1e-3) for entry in logs[1]]


@pytest.mark.long
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_resumes_and_ends_where_a_whole_run_ends(
    pair: Path, data: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    plan = recipe(20, 1e-3, epochs_between_evaluations=2, dropout=0.1)
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    base, out = str(pair / "base"), tmp_path / "stopped"
    arguments = ["finetune", "--recipe", str(file), "--data", str(data), "--base", base]
    command = [sys.executable, "-c", _SLOWED, *arguments, "--out", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "step 6" in line:
                process.send_signal(stop)
                break
        messages = process.stderr.read()
    assert not out.exists()
    steps = [int(each.name.split("-")[1]) for each in checkpoints_of(out).glob("checkpoint-*")]
    if stop == signal.SIGINT:
        assert process.returncode == 130, messages
        assert "--resume goes on from" in messages
        assert 5 <= max(steps) < 40, "not the best one of the last evaluation: where it was stopped"
    else:
        assert process.returncode == -signal.SIGKILL
        assert max(steps) == 4, "the last evaluation's"
    checkpoint = checkpoints_of(out) / f"checkpoint-{max(steps)}"
    AutoModelForCausalLM.from_pretrained(checkpoint)
    assert AutoTokenizer.from_pretrained(checkpoint).eos_token == END

    assert main([*arguments, "--out", str(out), "--resume"]) == 0
    finetune(plan, data, base, tmp_path / "whole")
    resumed, whole = weights(out), weights(tmp_path / "whole")
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


_SLOWED = """
import sys, time, torch
from training.__main__ import main
from training.trainer.interruption import Interruption
torch.set_num_threads(1)
before = Interruption.on_step_end
def slowed(self, args, state, control, **more):
    print("step", state.global_step, file=sys.stderr, flush=True)
    time.sleep(0.1)
    before(self, args, state, control, **more)
Interruption.on_step_end = slowed
sys.exit(main())
"""


def test_one_seed_gives_one_result(pair: Path, data: Path, tmp_path: Path) -> None:
    plan = recipe(4, 1e-3, epochs_between_evaluations=2, dropout=0.1)
    logs, weighed = [], []
    for name in ("once", "again"):
        finetune(plan, data, str(pair / "base"), tmp_path / name)
        log = json.loads((tmp_path / name / "training.json").read_text())["log"]
        logs.append(
            [{key: entry.get(key) for key in ("step", "loss", "eval_loss", "grad_norm")}
             for entry in log]
        )  # fmt: skip
        weighed.append((tmp_path / name / "model.safetensors").read_bytes())
    assert logs[0] == logs[1]
    assert weighed[0] == weighed[1]


def test_no_saved_file_tells_where_this_machine_keeps_things(
    pair: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(pair / "base", tmp_path / "base")
    finetune(recipe(1), data, str(tmp_path / "base"), tmp_path / "new")
    assert json.loads((tmp_path / "new" / "training.json").read_text())["base"] == "../base"
    for file in (tmp_path / "new").iterdir():
        for path in (tmp_path, ROOT, Path.home()):
            assert str(path).encode() not in file.read_bytes(), file.name


def test_tensorboard_events_are_written_where_asked_and_kept(
    pair: Path, data: Path, tmp_path: Path
) -> None:
    finetune(recipe(2), data, str(pair / "base"), tmp_path / "new", tensorboard=tmp_path / "events")
    (events,) = (tmp_path / "events").iterdir()
    content = events.read_bytes()
    assert all(name in content for name in (b"train/loss", b"eval/loss", b"train/learning_rate"))


def test_early_stopping_ends_a_run_that_gets_worse(pair: Path, data: Path, tmp_path: Path) -> None:
    plan = recipe(50, learning_rate=1.0, epochs_between_evaluations=1, patience_evaluations=2)
    finetune(plan, data, str(pair / "base"), tmp_path / "new")
    log = json.loads((tmp_path / "new" / "training.json").read_text())["log"]
    evaluated = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert len(evaluated) < 50
    assert min(evaluated) == min(evaluated[:-2])


def test_the_notebook_recipe_runs_on_the_notebooks_rows(
    pair: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "seed"
    arguments = ["finetune", "--recipe", "seed", "--epochs", "2", "--data", str(data)]
    assert main([*arguments, "--base", str(pair / "base"), "--out", str(out)]) == 0
    record = json.loads((out / "training.json").read_text())
    assert record["recipe"]["finetuning"]["rows"] == "notebook"
    assert record["recipe"]["finetuning"]["epochs"] == 2
    assert record["examples"] == {"train": 4, "valid": 4}
    assert record["log"][-1]["epoch"] == 2
    before, after = weights(pair / "base"), weights(out)
    assert not torch.equal(before["transformer.wpe.weight"], after["transformer.wpe.weight"])
