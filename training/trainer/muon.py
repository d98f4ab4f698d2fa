"""Muon for the matrices inside the layers, AdamW for everything else, as one optimizer.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) makes each matrix's update
orthogonal. It is not meant for embeddings, norms and biases, so both run side by side.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from training.recipe import Optimisation


def optimizers(model: nn.Module, plan: Optimisation) -> tuple[torch.optim.Optimizer | None, None]:
    """Return the recipe's optimizer as Trainer takes it, with None for what Trainer makes."""
    if plan.muon_learning_rate is None:
        return None, None
    return MuonWithAdamW(model, plan, plan.muon_learning_rate), None


class MuonWithAdamW(torch.optim.Optimizer):
    """Both optimizers behind one interface: schedulers and checkpoints see a single one."""

    def __init__(self, model: nn.Module, plan: Optimisation, muon_learning_rate: float) -> None:
        hidden = [
            parameter
            for module in model.modules()
            if isinstance(module, nn.ModuleList)
            for parameter in module.parameters()
            if parameter.ndim == 2
        ]
        chosen = set(map(id, hidden))
        rest = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
        matrices: list[nn.Parameter] = [each for each in rest if each.ndim > 1]
        vectors: list[nn.Parameter] = [each for each in rest if each.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                hidden,
                lr=muon_learning_rate,
                weight_decay=plan.weight_decay,
                adjust_lr_fn="match_rms_adamw",  # updates as large as AdamW's: rates compare
            ),
            torch.optim.AdamW(
                groups,
                lr=plan.learning_rate,
                betas=(0.9, plan.adam_beta2),
                weight_decay=plan.weight_decay,
                fused=True,
            ),
        ]
        super().__init__([group for part in self._parts for group in part.param_groups], {})

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # no closure
        """Take one step with each."""
        assert closure is None, "the loss was computed before"
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return both states."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load both states; loading makes new groups, which schedulers must see."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]
