"""Between what a model knew and what it learned after: some of its weights go back part of the way.

Reading is learned in attention; what is known by heart lies in the other layers, and a stage of
other texts wears it away. The mean of both states of these keeps it, without more training: weight
averaging as in WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903.
"""

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel

_ATTENTION = "attn"  # in the names of such layers: GPT-2's, Llama's and their families'


def weights_of(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Return copies of a model's weights, by name."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@torch.no_grad()
def average(model: PreTrainedModel, before: Mapping[str, torch.Tensor], share: float) -> None:
    """Mix `share` of the weights before into all layers but attention."""
    for name, weight in model.named_parameters():
        if _ATTENTION not in name:
            weight.lerp_(before[name].to(weight), share)
