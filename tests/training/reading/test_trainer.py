"""The loss of answers alone is transformers' own loss, whatever is padded and accumulated."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
    Trainer,
)

from training.data.examples import IGNORED
from training.prompt import encode, passage
from training.reading.trainer import ReadingTrainer
from training.recipe import Optimisation
from training.trainer import trainer_arguments
from training.trainer.trainer_arguments import training_arguments

ANSWERS = {
    "What is asthma?": "A disease.",
    "What is scurvy?": "A lack of vitamins, which sailors had.",
    "What is gout?": "Pain.",
    "What is a stroke?": "It happens when blood flow to the brain stops.",
}


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every machine compute in float32, in which two ways to a sum are equal."""
    monkeypatch.setattr(trainer_arguments, "bfloat16_is_fast", lambda: False)


@pytest.fixture
def examples(reading_tokenizer: PreTrainedTokenizerBase) -> list[dict[str, list[int]]]:
    found = []
    for number, (question, answer) in enumerate(ANSWERS.items()):
        passages = [passage("It", f"{answer} More. ")] * (number % 2)
        example = encode(question, answer, reading_tokenizer, passages)
        labels = [IGNORED] * example.prompt_tokens + example.ids[example.prompt_tokens :]
        found.append({"input_ids": example.ids, "labels": labels})
    assert len({len(each["input_ids"]) for each in found}) > 1
    return found


def trainer(
    kind: type[Trainer],
    directory: Path,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[dict[str, list[int]]],
    out: Path,
    batch: int = 4,
    accumulation: int = 1,
) -> Trainer:
    optimisation = Optimisation(
        learning_rate=1e-3,
        warmup_steps=0,
        weight_decay=0.0,
        adam_beta2=0.98,
        max_gradient_norm=1e6,
        batch_sequences=batch,
        accumulation_steps=accumulation,
    )
    arguments = training_arguments(
        optimisation,
        out,
        seed=3,
        num_train_epochs=1,
        logging_steps=1,
        save_strategy="no",
        prediction_loss_only=True,
    )
    return kind(
        model=AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32),
        args=arguments,
        train_dataset=examples,
        eval_dataset=examples,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
    )


def test_its_loss_is_that_of_transformers(
    reading_pair: Path,
    reading_tokenizer: PreTrainedTokenizerBase,
    examples: list[dict[str, list[int]]],
    tmp_path: Path,
) -> None:
    directory = reading_pair / "fine-tuned"
    made: Any = trainer(ReadingTrainer, directory, reading_tokenizer, examples, tmp_path)
    model: Any = made.model.eval()
    batch = DataCollatorForSeq2Seq(reading_tokenizer, label_pad_token_id=IGNORED)(examples)
    assert (batch["attention_mask"] == 0).any(), "some of it is padding"
    expected = model(**batch).loss
    loss, outputs = made.compute_loss(model, batch, return_outputs=True)
    torch.testing.assert_close(loss, expected)
    assert outputs == {}
    wanted = int((batch["labels"] != IGNORED).sum())
    summed = made.compute_loss(model, batch, num_items_in_batch=10 * wanted)
    torch.testing.assert_close(10 * summed, expected)
    loss.backward()
    ours = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()
    model(**batch).loss.backward()
    for name, value in model.named_parameters():
        torch.testing.assert_close(ours[name], value.grad, msg=name)


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 1), (1, 4), (2, 2)])
def test_a_step_is_a_step_of_transformers_trainer(
    reading_pair: Path,
    reading_tokenizer: PreTrainedTokenizerBase,
    examples: list[dict[str, list[int]]],
    tmp_path: Path,
    batch: int,
    accumulation: int,
) -> None:
    logs = []
    for kind in (Trainer, ReadingTrainer):
        made = trainer(
            kind,
            reading_pair / "fine-tuned",
            reading_tokenizer,
            examples,
            tmp_path,
            batch,
            accumulation,
        )
        made.train()
        (entry,) = [each for each in made.state.log_history if "grad_norm" in each]
        logs.append((entry["loss"], entry["grad_norm"], made.evaluate()["eval_loss"]))
    assert logs[1] == pytest.approx(logs[0], rel=1e-4)
