"""LoRA: the base stays as it is, small matrices beside its own learn; merged before saving.

Hu et al. 2021, https://arxiv.org/abs/2106.09685. GPT-2's layers are `Conv1D`, whose weights are
transposed: peft must be told, and must find them by name.
"""

import warnings
from typing import Any

from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from training.errors import TrainingError
from training.recipe import Lora


def add_lora(model: PreTrainedModel, plan: Lora, new_tokens: list[int]) -> Any:
    """Return `model` with low-rank matrices at the recipe's targets; all else is frozen.

    The embedding rows of `new_tokens` learn too: nothing else can teach them. Where the output
    layer shares the embeddings, it shares these rows.

    Raises:
        TrainingError: peft is not installed, or the model has no such layers.

    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise TrainingError("the recipe's lora section needs `pip install -e '.[lora]'`") from error
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    unknown = [target for target in plan.targets if target not in names]
    if unknown:
        raise TrainingError(f"finetuning.lora.targets: the base has no {', '.join(unknown)}")
    configuration = LoraConfig(
        task_type="CAUSAL_LM",
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        target_modules=list(plan.targets),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        trainable_token_indices=new_tokens,
    )
    with warnings.catch_warnings():  # peft 0.21 asks transformers 5.23 by a name that is to go
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted = get_peft_model(model, configuration)
    # By its name, peft would ask the hub at every checkpoint whether the vocabulary has grown.
    configuration.base_model_name_or_path = ""
    return adapted


def merged(model: Any) -> PreTrainedModel:
    """Return the base with what LoRA learned added to its own weights: a model like any other."""
    whole: PreTrainedModel = model.merge_and_unload()
    whole.disable_input_require_grads()  # what gradient checkpointing hooked in for frozen inputs
    return whole
