"""GPT-2's block in as few operations as its arithmetic needs.

A step of few tokens spends as long between the matrices as in them: each takes the caches, and all
the code between them runs cold. Dropout, split and the sums with the residual are left out or done
by the linear layers on their way; what is computed stays the same.
"""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.gpt2.modeling_gpt2 import GPT2Block, eager_attention_forward


class LeanBlock(nn.Module):
    """One of GPT-2's blocks for inference; its layers take what they add to as a second input."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = block.ln_1, block.attn, block.ln_2, block.mlp

    def forward(
        self,
        hidden: torch.Tensor,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        *_: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Return hidden states [batch, tokens, size] through the block, as upstream's does."""
        attention, mlp = self.attn, self.mlp
        shape = (*hidden.shape[:2], 3, attention.num_heads, attention.head_dim)
        # Each [batch, heads, tokens, width].
        query, key, value = attention.c_attn(self.ln_1(hidden)).view(shape).permute(2, 0, 3, 1, 4)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, attention.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            attention.config._attn_implementation, eager_attention_forward
        )
        attended, _weights = attend(
            attention, query, key, value, attention_mask, scaling=attention.scaling, **kwargs
        )
        hidden = attention.c_proj(attended.reshape(hidden.shape), hidden)
        result: torch.Tensor = mlp.c_proj(mlp.act(mlp.c_fc(self.ln_2(hidden))), hidden)
        return result


def make_lean(model: PreTrainedModel) -> None:
    """Replace a model's GPT-2 blocks, whose linear layers are ours already."""
    for parent in list(model.modules()):
        for name, block in list(parent.named_children()):
            if isinstance(block, GPT2Block) and not hasattr(block, "crossattention"):
                setattr(parent, name, LeanBlock(block))
