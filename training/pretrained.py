"""A saved model with its tokenizer, read and checked: the one door for fine-tuning and evaluation.

What is broken is told in one line that names the file and the remedy. Knows nothing about what
the model is for.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from training.errors import TrainingError
from training.model_directory import OLD_BUFFERS, check_files, some

FAMILIES = {"gpt2": "GPT-2", "llama": "Llama"}
"""By `model_type`, what is trained here: whatever else has Llama's shape is one (SmolLM2, say)."""

_WRAPPERS = {
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FSDP",
    "base_layer": "an adapter",
    "module": "DataParallel",
}
_IDS = frozenset({"bos_token_id", "eos_token_id", "pad_token_id"})
_BOOKKEEPING = frozenset({"use_cache", "output_attentions", "output_hidden_states"})

logger = logging.getLogger(__name__)


def load_pretrained(
    source: str, revision: str | None = None, **settings: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Read a model in float32 and its tokenizer from a directory or the hub.

    `settings` go into its configuration, where it has them.

    Raises:
        TrainingError: there is no such model, it is of no family of `FAMILIES`, a file is
            damaged, weights are missing, surplus, of another shape or no numbers, or the
            tokenizer is another model's.
    """
    directory = Path(source)
    if directory.is_dir():
        check_files(directory)
    config = _config(source, revision, settings)
    with _reading(source, "its tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, revision=revision, trust_remote_code=False
        )
        empty = not tokenizer.encode("What is asthma?", add_special_tokens=False)
    with _reading(source, "its weights"), _without_transformers_report():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            revision=revision,
            config=config,
            trust_remote_code=False,  # or it would ask at the keyboard
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # reported instead
            output_loading_info=True,
        )
    model, report = loaded
    _check_weights(source, model, report)
    if empty:
        raise TrainingError(f"{source}: it has no tokenizer, or one without a vocabulary")
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise TrainingError(
            f"{source}: its tokenizer has {len(tokenizer)} tokens, its model embeds {rows}; "
            "it is another model's"
        )
    return model, tokenizer


def _config(source: str, revision: str | None, settings: Mapping[str, Any]) -> PretrainedConfig:
    """Return a model's configuration with the settings in it, where it has them."""
    with _reading(source, "config.json"):
        config: PretrainedConfig = AutoConfig.from_pretrained(
            source, revision=revision, trust_remote_code=False
        )
    if config.model_type not in FAMILIES:
        raise TrainingError(
            f"{source}: it is a {config.model_type}; only {' and '.join(FAMILIES.values())} are "
            "trained here"
        )
    if method := getattr(config, "quantization_config", None):
        kind = dict(method).get("quant_method", "") if isinstance(method, dict) else ""
        raise TrainingError(
            f"{source}: its weights are quantised ({kind or 'by config.json'}); give the model "
            "that they were made from"
        )
    with _reading(source, "its configuration"):
        for name, value in settings.items():
            if hasattr(config, name):  # a Llama has one dropout, a GPT-2 three
                setattr(config, name, value)
    return config


def decoding_defaults(model: PreTrainedModel) -> dict[str, Any]:
    """Return what generation_config.json, or an old config.json, says of how answers are made."""
    said: dict[str, Any] = model.generation_config.to_diff_dict()
    plain = GenerationConfig().to_dict()
    return {
        name: value
        for name, value in said.items()
        if name in plain and name not in _IDS | _BOOKKEEPING and value is not None
        if not name.startswith("_") and name != "transformers_version"
    }


def name_unused(source: str, names: Iterable[str]) -> None:
    """Say which decoding defaults are not used."""
    listed = sorted(names)
    if listed:
        logger.warning(
            "%s: its generation_config.json (or config.json) sets %s, which is not used here: "
            "answers are greedy and end at the tokenizer's end token",
            source,
            ", ".join(listed),
        )


@contextmanager
def _reading(source: str, what: str) -> Iterator[None]:
    """Tell in one line whatever three libraries raise over files that are garbage."""
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise TrainingError(
            f"{source}: {what} cannot be read ({type(error).__name__}: {lines[0]}); fetch or save "
            "it again"
        ) from error


@contextmanager
def _without_transformers_report() -> Iterator[None]:
    """Keep back its table of all weights that do not fit: they are told in one line."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _check_weights(source: str, model: Any, report: dict[str, Any]) -> None:
    missing = set(report["missing_keys"])
    surplus = {name for name in report["unexpected_keys"] if not name.endswith(OLD_BUFFERS)}
    reshaped = {name for name, *_ in report["mismatched_keys"]}
    faults = [
        f"{len(names)} {kind} ({some(names)})"
        for kind, names in (("missing", missing), ("surplus", surplus), ("reshaped", reshaped))
        if names
    ]
    if faults:
        cause = _likely_cause(missing, surplus, reshaped)
        raise TrainingError(f"{source}: weights are {', '.join(faults)}: {cause}")
    for name, value in model.named_parameters():
        if not value.isfinite().all():
            raise TrainingError(f"{source}: {name} is not all finite numbers; train it again")


def _likely_cause(missing: set[str], surplus: set[str], reshaped: set[str]) -> str:
    """Return what probably happened to the weights, and what to do."""
    for wrapper, maker in _WRAPPERS.items():
        if any(wrapper in name.split(".") for name in surplus):
            return f"they were saved from inside {maker}; take '{wrapper}.' off their names"
    if missing and surplus:
        return "they are another model's, or their names were changed"
    if reshaped:
        return "config.json or the weights are another model's"
    if missing:
        return "the file is incomplete, or config.json describes a larger model; fetch it again"
    return "config.json describes a smaller model, or they have a head that a language model lacks"
