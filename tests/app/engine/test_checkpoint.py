"""A model directory that must not be served is refused, and the message names what is wrong."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.answering.prompt_format import PromptFormat
from app.engine.backends.pytorch.gpt2 import TorchGPT2
from app.engine.checkpoint import Checkpoint, load
from app.engine.interface import Source
from app.errors import CheckpointError
from tests.conftest import edit_json


def _loaded(name: str, device: str = "cpu", dtype: str = "auto") -> Checkpoint:
    return load(Source(name), device=device, dtype=dtype, threads=1, cache_tokens=64)


def _load(directory: Path) -> None:
    PromptFormat.of_model(_loaded(str(directory)))


def _truncate(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def _flip_a_bit_of_the_header(directory: Path) -> None:
    weights = bytearray((directory / "model.safetensors").read_bytes())
    weights[20] ^= 0x80
    (directory / "model.safetensors").write_bytes(weights)


def _another_width(directory: Path) -> None:
    edit_json(directory / "config.json", n_embd=48)


def _pickle(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def _forget_layer(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _surplus_token(directory: Path) -> None:
    fields = json.loads((directory / "tokenizer.json").read_text())
    last = max(token["id"] for token in fields["added_tokens"])
    fields["added_tokens"].append(
        fields["added_tokens"][-1] | {"id": last + 1, "content": "<surplus>"}
    )
    (directory / "tokenizer.json").write_text(json.dumps(fields))


def _pad_is_end(directory: Path) -> None:
    edit_json(directory / "tokenizer_config.json", pad_token="<end>")


def _no_template(directory: Path) -> None:
    (directory / "chat_template.jinja").unlink()


def _no_config(directory: Path) -> None:
    (directory / "config.json").unlink()


def _no_weights(directory: Path) -> None:
    (directory / "model.safetensors").unlink()


def _garbled_config(directory: Path) -> None:
    (directory / "config.json").write_text("{")


def _config_of_nonsense(directory: Path) -> None:
    edit_json(directory / "config.json", n_embd=[{}])


def _tokenizer_of_nonsense(directory: Path) -> None:
    (directory / "tokenizer.json").write_text('{"version": "1.0", "model": 7}')


def _not_a_number(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    weights["transformer.ln_f.bias"][3] = torch.nan
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _pickled_adapter(directory: Path) -> None:
    torch.save({}, directory / "adapter_model.bin")
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "somebody/else"}
    (directory / "adapter_config.json").write_text(json.dumps(adapter))


def _adapter_alone(directory: Path) -> None:
    _pickled_adapter(directory)
    for name in ("config.json", "model.safetensors"):
        (directory / name).unlink()


def _layer_surplus(directory: Path) -> None:
    edit_json(directory / "config.json", n_layer=1)


def _layers_without_end(directory: Path) -> None:
    edit_json(directory / "config.json", n_layer=10**12)


def _other_names(directory: Path) -> None:
    _rename_weights(directory, lambda name: name.replace("transformer.h.", "model.layers."))


def _template_that_breaks_out(directory: Path) -> None:
    template = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages[0].content }}"
    (directory / "chat_template.jinja").write_text(template)


def _template_without_end(directory: Path) -> None:
    template = "{% for _ in range(10 ** 12) %}{% endfor %}{{ messages[0].content }}"
    (directory / "chat_template.jinja").write_text(template)


def _empty(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"")


def _lfs_pointer(directory: Path) -> None:
    (directory / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 497774208\n"
    )


def _rename_weights(directory: Path, renamed: Callable[[str], str]) -> None:
    weights = load_file(directory / "model.safetensors")
    save_file(
        {renamed(name): weight for name, weight in weights.items()},
        directory / "model.safetensors",
        metadata={"format": "pt"},
    )


def _saved_compiled(directory: Path) -> None:
    _rename_weights(directory, lambda name: f"_orig_mod.{name}")


def _saved_parallel(directory: Path) -> None:
    _rename_weights(directory, lambda name: f"module.{name}")


def _quantised(directory: Path) -> None:
    edit_json(directory / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


def _whole_numbers(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    weights["transformer.h.0.mlp.c_fc.weight"] = weights["transformer.h.0.mlp.c_fc.weight"].char()
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _other_files_only(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "weights.safetensors")


def _index(directory: Path, *names: str) -> None:
    shapes = load_file(directory / "model.safetensors")
    index = {"weight_map": {name: names[place % len(names)] for place, name in enumerate(shapes)}}
    (directory / "model.safetensors").rename(directory / names[0])
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def _lost_shard(directory: Path) -> None:
    _index(directory, "model-1-of-2.safetensors", "model-2-of-2.safetensors")


def _shard_elsewhere(directory: Path) -> None:
    _index(directory, "model-1-of-2.safetensors", "../model-2-of-2.safetensors")


def _index_of_nonsense(directory: Path) -> None:
    _index(directory, "model-1-of-1.safetensors")
    (directory / "model.safetensors.index.json").write_text('{"weight_map": []}')


def _guard_of_nonsense(directory: Path) -> None:
    edit_json(directory / "generation_config.json", no_repeat_ngram_size="three")


def _heads_do_not_fit(directory: Path) -> None:
    edit_json(directory / "config.json", n_head=3)


def _crossed(directory: Path) -> None:
    edit_json(directory / "config.json", add_cross_attention=True)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (_truncate, "cannot be read"),
        (_flip_a_bit_of_the_header, "cannot be read"),
        (_empty, "model.safetensors cannot be read: it is empty"),
        (_lfs_pointer, "Git LFS pointer"),
        (_another_width, r"mismatched keys \(28: .*, …\); config.json wants .* the file has"),
        (_pickle, "pickle"),
        (_forget_layer, r"missing keys \(1: transformer.h.1.mlp.c_fc.weight\); the file is incom"),
        (_layer_surplus, r"surplus keys \(12: .*, …\): config.json describes a smaller model"),
        (_layers_without_end, "missing keys: config.json wants 1000000000000 layers"),
        (_other_names, r"missing keys \(24: .*, …\); the file has 28: model.layers"),
        (_saved_compiled, "missing keys.*_orig_mod.*torch.compile"),
        (_saved_parallel, "missing keys.*module.*DataParallel"),
        (_quantised, "quantised"),
        (_whole_numbers, "stored as I8"),
        (_other_files_only, "no weights.*found weights.safetensors"),
        (_lost_shard, "index.json names model-2-of-2.safetensors, which is not there"),
        (_shard_elsewhere, "index.json names"),
        (_index_of_nonsense, "index.json cannot be read"),
        (_guard_of_nonsense, "no_repeat_ngram_size is 'three'"),
        (_heads_do_not_fit, "n_head 3 does not divide n_embd 32"),
        (_crossed, "missing keys.*crossattention"),
        (_surplus_token, "tokenizer has .* tokens but the model embeds"),
        (_pad_is_end, "padding needs its own token"),
        (_no_template, "no chat template"),
        (_no_config, "no config.json"),
        (_no_weights, "no weights"),
        (_garbled_config, "cannot be read"),
        (_config_of_nonsense, "cannot be read"),
        (_tokenizer_of_nonsense, "cannot be read"),
        (_not_a_number, "infinite or none at all"),
        (_pickled_adapter, "holds an adapter, .*merge_and_unload"),
        (_adapter_alone, "holds an adapter, .*merge_and_unload"),
        (_template_that_breaks_out, "chat template does not render"),
        (_template_without_end, "chat template does not render"),
    ],
)
def test_broken_directories_are_named(
    break_it: Callable[[Path], None], reason: str, broken: Path
) -> None:
    _load(broken)  # whole before it is broken
    break_it(broken)
    with pytest.raises(CheckpointError, match=rf"(?s){broken}.*{reason}") as refused:
        _load(broken)
    assert "\n" not in str(refused.value)


def test_what_is_known_of_a_model(pair: Path) -> None:
    checkpoint = _loaded(str(pair / "fine-tuned"))
    rows = len(checkpoint.tokenizer)
    assert checkpoint.parameters == 32 * (rows + 128 + 2) + 2 * (12 * 32 * 32 + 13 * 32)
    assert (checkpoint.device, checkpoint.dtype) == ("cpu", "float32")
    assert checkpoint.context_tokens == 128
    assert checkpoint.backend.blocks * checkpoint.backend.block_tokens >= 128  # though 64 are asked
    assert _loaded(str(pair / "base"), dtype="int8").dtype == "int8"


def test_what_openvino_does_not_cover_goes_to_torch_and_is_said(
    broken: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    edit_json(broken / "config.json", activation_function="laplace")
    assert isinstance(_loaded(str(broken)).backend, TorchGPT2)
    assert "runs on PyTorch, and slower: activation_function 'laplace'" in caplog.text

    installed = find_spec
    monkeypatch.setattr(
        "app.engine.backends.choosing.find_spec",
        lambda name: None if name == "torch" else installed(name),
    )
    with pytest.raises(CheckpointError, match=r"laplace.*that takes PyTorch"):
        _loaded(str(broken))


def test_code_in_a_directory_is_never_run(broken: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (broken / "evil.py").write_text(
        f"open({str(ran)!r}, 'w')\n"
        "from transformers import GPT2Config as Config, GPT2LMHeadModel as Model\n"
        "from transformers import GPT2Tokenizer as Tokenizer\n"
    )
    classes = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    edit_json(broken / "config.json", auto_map=classes)
    edit_json(broken / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer"] * 2})
    _load(broken)  # by transformers' own classes
    edit_json(broken / "config.json", model_type="evil")
    with pytest.raises(CheckpointError, match="cannot be read"):
        _load(broken)
    assert not ran.exists()
