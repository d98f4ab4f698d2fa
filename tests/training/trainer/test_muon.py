"""Two optimizers as one: every weight moves, schedules reach both, a checkpoint restores both."""

import copy
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from training.recipe import Optimisation
from training.trainer.muon import MuonWithAdamW, optimizers

PLAN = Optimisation(
    learning_rate=1e-2,
    muon_learning_rate=2e-2,
    warmup_steps=0,
    weight_decay=0.1,
    adam_beta2=0.98,
    max_gradient_norm=1.0,
    batch_sequences=2,
)
IDS = torch.arange(40).view(2, 20)


@pytest.fixture
def model() -> GPT2LMHeadModel:
    torch.manual_seed(3)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2, resid_pdrop=0,
            embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


def _step(model: Any, optimizer: torch.optim.Optimizer) -> float:
    optimizer.zero_grad()
    loss = model(input_ids=IDS, labels=IDS).loss
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _made(model: GPT2LMHeadModel) -> MuonWithAdamW:
    made, schedule = optimizers(model, PLAN)
    assert isinstance(made, MuonWithAdamW)
    assert schedule is None
    return made


def test_muon_has_the_layers_matrices_and_adamw_all_the_rest(model: GPT2LMHeadModel) -> None:
    muon, matrices, vectors = _made(model).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    hidden = {names[id(parameter)] for parameter in muon["params"]}
    assert hidden == {
        f"transformer.h.{layer}.{part}.weight"
        for layer in range(2)
        for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }
    assert {names[id(each)] for each in matrices["params"]} == {
        "transformer.wte.weight", "transformer.wpe.weight",
    }  # fmt: skip
    assert vectors["weight_decay"] == 0
    assert len(hidden) + len(matrices["params"]) + len(vectors["params"]) == len(names)


def test_every_weight_moves_and_the_loss_falls(model: GPT2LMHeadModel) -> None:
    before = copy.deepcopy(model.state_dict())
    optimizer = _made(model)
    losses = [_step(model, optimizer) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    assert not any(torch.equal(before[name], after) for name, after in model.state_dict().items())


def test_a_checkpoint_goes_on_as_if_never_stopped(model: GPT2LMHeadModel) -> None:
    optimizer = _made(model)
    for _ in range(3):
        _step(model, optimizer)
    saved, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
    expected = [_step(model, optimizer) for _ in range(3)]

    model.load_state_dict(weights)
    resumed = _made(model)
    resumed.load_state_dict(saved)
    assert [_step(model, resumed) for _ in range(3)] == expected


def test_a_schedule_reaches_both_also_after_loading(model: GPT2LMHeadModel) -> None:
    optimizer = _made(model)
    _step(model, optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.0)
    before = copy.deepcopy(model.state_dict())
    _step(model, optimizer)
    assert all(torch.equal(before[name], after) for name, after in model.state_dict().items())


def test_without_a_rate_for_it_adamw_is_left_to_trainer(model: GPT2LMHeadModel) -> None:
    assert optimizers(model, PLAN.model_copy(update={"muon_learning_rate": None})) == (None, None)
