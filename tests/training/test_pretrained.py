"""One check for every model that is trained or scored: what is broken is told in one line."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from tests.training.test_finetune import recipe
from training.__main__ import main
from training.errors import TrainingError
from training.evaluation.loaded_model import load
from training.finetune import finetune
from training.pretrained import load_pretrained
from training.trainer.base_model import load_base

Change = Callable[[Path], object]
Weights = dict[str, torch.Tensor]


def weights(change: Callable[[Weights], Weights]) -> Change:
    def changed(directory: Path) -> None:
        file = directory / "model.safetensors"
        save_file(change(load_file(file)), file, {"format": "pt"})

    return changed


def fields(name: str, **values: object) -> Change:
    def changed(directory: Path) -> None:
        file = directory / name
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(known | values))

    return changed


def content(name: str, text: str) -> Change:
    return lambda directory: (directory / name).write_text(text)


def prefixed(prefix: str) -> Change:
    return weights(lambda found: {prefix + name: value for name, value in found.items()})


def wide(found: Weights) -> Weights:
    found["transformer.h.0.mlp.c_fc.weight"] = torch.zeros(32, 64)
    return found


def headed(found: Weights) -> Weights:
    return found | {"score.weight": torch.zeros(2, 32)}


WRONG_WEIGHTS = {
    "compiled": (prefixed("_orig_mod."), r"29 missing .*surplus .*torch\.compile; take '_orig"),
    "parallel": (prefixed("module."), r"saved from inside DataParallel; take 'module\.'"),
    "sharded": (prefixed("_fsdp_wrapped_module."), r"inside FSDP; take '_fsdp_wrapped_module\.'"),
    "compiled inside": (
        weights(
            lambda found: {
                name.replace("former.", "former._orig_mod."): value for name, value in found.items()
            }
        ),
        r"missing .*surplus .*torch\.compile; take '_orig_mod\.'",
    ),
    "wrapped": (prefixed("model."), r"missing .*surplus .*names were changed"),
    "layer missing": (
        weights(
            lambda found: {name: value for name, value in found.items() if ".h.1." not in name}
        ),
        r"12 missing \(transformer\.h\.1\.attn\.c_attn\.bias, .*…\): the file is incomplete",
    ),
    "layer surplus": (fields("config.json", n_layer=1), r"surplus .*describes a smaller model"),
    "head surplus": (weights(headed), r"1 surplus \(score\.weight\)"),
    "reshaped": (weights(wide), r"1 reshaped \(transformer\.h\.0\.mlp\.c_fc\.weight\)"),
    "positions": (fields("config.json", n_positions=64), r"reshaped \(transformer\.wpe\.weight\)"),
    "vocabulary": (fields("config.json", vocab_size=300), r"reshaped \(transformer\.wte\.weight\)"),
}


BROKEN_FILES = {
    "lfs": (
        content("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:1"),
        r"model\.safetensors is a pointer of Git LFS: `git lfs pull`",
    ),
    "empty": (content("model.safetensors", ""), r"model\.safetensors is empty: copy it again"),
    "garbage": (
        content("model.safetensors", "no weights"),
        r"model\.safetensors cannot be read .*fetch or save it again",
    ),
    "tokenizer cut": (content("tokenizer.json", '{"a'), r"tokenizer\.json is damaged"),
    "tokenizer other": (content("tokenizer.json", "{}"), "its tokenizer cannot be read"),
    "generation cut": (
        content("generation_config.json", '{"a'),
        r"generation_config\.json is damaged .*copy it again",
    ),
    "config list": (content("config.json", "[1]"), r"config\.json is damaged"),
    "quantised": (
        fields("config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
        r"quantised \(gptq\); give the model that they were made from",
    ),
    "adapter": (content("adapter_config.json", "{}"), "it holds an adapter; merge"),
    "adapter alone": (
        lambda directory: (directory / "config.json").rename(directory / "adapter_config.json"),
        "it holds an adapter; merge",
    ),
    "family": (fields("config.json", model_type="gpt_neo"), "a gpt_neo; only GPT-2 and Llama"),
    "unheard of": (fields("config.json", model_type="mine"), r"config\.json cannot be read"),
    "heads": (fields("config.json", n_head=3), "its weights cannot be read .*divisible"),
    "activation": (fields("config.json", activation_function="so"), "cannot be read .*'so'"),
    "layers": (fields("config.json", n_layer="two"), r"config\.json cannot be read"),
    "no config": (lambda directory: (directory / "config.json").unlink(), "no model directory"),
}


@pytest.fixture
def base(pair: Path, tmp_path: Path) -> Path:
    """A copy of the base, for a test to change."""
    return Path(shutil.copytree(pair / "base", tmp_path / "model"))


@pytest.mark.parametrize(
    ("change", "message"),
    [*WRONG_WEIGHTS.values(), *BROKEN_FILES.values()],
    ids=[*WRONG_WEIGHTS, *BROKEN_FILES],
)
def test_what_is_broken_is_told_in_one_line(base: Path, change: Change, message: str) -> None:
    change(base)
    for read in (lambda: load_base(str(base), None, 0.0), lambda: load(str(base))):
        with pytest.raises(TrainingError, match=message) as caught:
            read()
        assert str(base) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["finetune", "evaluate"])
@pytest.mark.parametrize("fault", ["compiled", "lfs", "tokenizer cut"])
def test_commands_tell_it_and_exit_2(
    base: Path, data: Path, pair: Path, command: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (WRONG_WEIGHTS | BROKEN_FILES)[fault][0](base)
    model = {
        "finetune": ["--out", str(base.with_name("out"))],
        "evaluate": ["--model", str(pair / "fine-tuned")],
    }
    assert main([command, "--data", str(data), "--base", str(base), *model[command]]) == 2
    told = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("error: ") for line in told) == 1
    assert "Traceback" not in "\n".join(told)
    assert not base.with_name("out").exists()


@pytest.mark.parametrize(
    "change",
    [
        weights(
            lambda found: {
                name.removeprefix("transformer."): value for name, value in found.items()
            }
        ),
        weights(lambda found: found | {"transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}),
        weights(lambda found: found | {"lm_head.weight": found["transformer.wte.weight"].clone()}),
        weights(lambda found: {name: value.bfloat16() for name, value in found.items()}),
    ],
    ids=["as on the hub", "old masks", "tied head", "bfloat16"],
)
def test_what_is_whole_is_read(base: Path, pair: Path, change: Change) -> None:
    change(base)
    model, _ = load_pretrained(str(base))
    whole, _ = load_pretrained(str(pair / "base"))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-2, atol=1e-2)


DECODING: dict[str, Change] = {
    "sampling without do_sample": fields("generation_config.json", temperature=0.9, top_k=3),
    "old config.json": fields("config.json", temperature=0.9, repetition_penalty=1.2),
    "no beams": fields("generation_config.json", num_beams=0),
    "a word": fields("generation_config.json", temperature="hot"),
    "length": fields("generation_config.json", max_length=20, min_length=5, early_stopping=True),
    "forced": fields("generation_config.json", forced_eos_token_id=1, suppress_tokens=[2]),
}


@pytest.mark.parametrize("change", DECODING.values(), ids=DECODING)
def test_the_bases_decoding_is_set_aside_in_words_before_the_first_step(
    base: Path, data: Path, tmp_path: Path, change: Change, caplog: pytest.LogCaptureFixture
) -> None:
    (base / "generation_config.json").unlink()
    change(base)
    with caplog.at_level(logging.WARNING):
        finetune(recipe(1), data, str(base), tmp_path / "new")
    assert "is not used here" in caplog.text
    saved: Any = GenerationConfig.from_pretrained(tmp_path / "new")
    kept = json.loads((tmp_path / "new" / "config.json").read_text())
    assert saved.temperature in (None, 1.0)
    assert saved.max_length == GenerationConfig().max_length
    assert "temperature" not in kept
    for name in ("repetition_penalty", "suppress_tokens", "forced_eos_token_id", "min_length"):
        assert getattr(saved, name) in (None, getattr(GenerationConfig(), name)), name


def test_an_evaluation_names_what_it_does_not_use(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields("generation_config.json", temperature=0.7, eos_token_id=[1, 2], do_sample=True)(base)
    with caplog.at_level(logging.WARNING):
        load(str(base))
    assert "sets do_sample, eos_token_id, temperature, which is not used" in caplog.text


def test_the_guard_is_honoured_and_must_be_a_number(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields("generation_config.json", no_repeat_ngram_size=3)(base)
    with caplog.at_level(logging.WARNING):
        assert load(str(base)).no_repeat_ngram_size == 3
    assert "not used" not in caplog.text
    fields("generation_config.json", no_repeat_ngram_size="three")(base)
    with pytest.raises(TrainingError, match=r"no_repeat_ngram_size .* 'three', no number"):
        load(str(base))
