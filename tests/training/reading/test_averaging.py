"""What a stage learned meets what was known before, in all layers but attention."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from training.reading.averaging import average, weights_of


def trained(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Move every weight by one, and return what they were."""
    before = weights_of(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1)
    return before


def test_attention_keeps_what_it_learned_and_other_layers_a_share() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_embd=8, n_head=2, n_layer=2))
    before = trained(model)
    average(model, before, 0.25)
    now = dict(model.named_parameters())
    for name in ("h.1.attn.c_attn.weight", "h.0.attn.c_proj.bias"):
        assert torch.allclose(now[f"transformer.{name}"], before[f"transformer.{name}"] + 1), name
    for name in ("wte.weight", "wpe.weight", "h.1.mlp.c_fc.weight", "h.0.ln_1.bias"):
        kept = before[f"transformer.{name}"] + 0.75
        assert torch.allclose(now[f"transformer.{name}"], kept), name
    assert model.lm_head.weight is model.transformer.wte.weight, "tied as before"


def test_another_family_is_told_apart_alike() -> None:
    config = LlamaConfig(
        vocab_size=11,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    model = LlamaForCausalLM(config)
    before = trained(model)
    average(model, before, 0.5)
    now = dict(model.named_parameters())
    for name, share in (("self_attn.q_proj", 1.0), ("mlp.up_proj", 0.5)):
        name = f"model.layers.1.{name}.weight"
        assert torch.allclose(now[name], before[name] + share), name


def test_no_share_changes_nothing() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_embd=8, n_head=2, n_layer=1))
    before = trained(model)
    average(model, before, 0.0)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name] + 1), name
