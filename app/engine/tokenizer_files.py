"""A directory's tokenizer files, read as transformers' `AutoTokenizer` reads them.

Two kinds cover GPT-2: its own class, which is rebuilt from vocabulary and merges whatever else its
`tokenizer.json` says, and the generic class, which is what `tokenizer.json` says. For the classes
of other families transformers itself is asked, where it is installed.
"""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from app.engine.model_files import read_object, read_text
from app.engine.tokenizer import Tokenizer
from app.errors import CheckpointError

_NAMED = (
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
)  # fmt: skip
_GPT2 = "GPT2Tokenizer"
_GPT2_DEFAULTS = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_GENERIC = ("PreTrainedTokenizer", "TokenizersBackend")


def read_tokenizer(directory: Path) -> Tokenizer:
    """Return the tokenizer of a model directory.

    Raises:
        CheckpointError: its files are missing, unreadable, or of a kind that needs transformers
            where that is not installed.

    """
    try:
        return _read(directory)
    except CheckpointError:
        raise
    except Exception as error:  # whatever three libraries raise over files that are garbage
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"its tokenizer cannot be read: {said}") from error


def _read(directory: Path) -> Tokenizer:
    config = _json(directory / "tokenizer_config.json")
    kind = _class_of(directory, config)
    if kind == _GPT2:
        backend, config = _gpt2(directory, config), _GPT2_DEFAULTS | config
    elif kind in _GENERIC and (directory / "tokenizer.json").is_file():
        backend = Backend.from_file(str(directory / "tokenizer.json"))
    else:
        return _by_transformers(directory, kind)
    added = _added_tokens(directory, config)
    named = {
        role: _content(config[role])
        for role in _roles(config)
        if config.get(role) is not None and _content(config[role])
    }
    extra = [_content(token) for token in _extra(config)]
    special = list(dict.fromkeys([*named.values(), *extra]))
    _add(backend, added, special)
    return Tokenizer(backend, named, special, _chat_template(directory, config))


def _class_of(directory: Path, config: Mapping[str, Any]) -> str:
    """Return the class that a directory names for its tokenizer, or its family's."""
    model = _json(directory / "config.json")
    named = config.get("tokenizer_class") or model.get("tokenizer_class")
    if named is None and model.get("model_type") == "gpt2":
        return _GPT2
    return str(named or f"the tokenizer of {model.get('model_type')}").removesuffix("Fast")


def _gpt2(directory: Path, config: Mapping[str, Any]) -> Backend:
    whole = _json(directory / "tokenizer.json").get("model", {})
    if whole:
        model = models.BPE(whole["vocab"], [_merge(each) for each in whole["merges"]])
    else:
        paths = [directory / name for name in ("vocab.json", "merges.txt")]
        if not all(path.is_file() for path in paths):
            raise CheckpointError("no tokenizer: neither tokenizer.json nor vocab.json, merges.txt")
        model = models.BPE.from_file(*map(str, paths))
    backend = Backend(model)
    prefix = bool(config.get("add_prefix_space", False))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    return backend


def _merge(pair: str | list[str]) -> tuple[str, str]:
    """Return both halves of a merge, which newer files list apart."""
    left, right = pair.split(" ") if isinstance(pair, str) else pair
    return left, right


def _added_tokens(directory: Path, config: dict[str, Any]) -> dict[int, AddedToken]:
    """Return tokens beyond the vocabulary by id; `config` takes in what older files say of them."""
    if "added_tokens_decoder" in config:
        return {int(place): _token(each) for place, each in config["added_tokens_decoder"].items()}
    config |= _json(directory / "special_tokens_map.json")
    special = {_content(config[role]) for role in _NAMED if config.get(role)}
    special |= {_content(token) for token in _extra(config)}
    added = {
        int(place): AddedToken(text, normalized=text not in special, special=text in special)
        for text, place in _json(directory / "added_tokens.json").items()
    }
    for each in _json(directory / "tokenizer.json").get("added_tokens", []):
        added[each["id"]] = _token(each)
    return added


def _add(backend: Backend, added: Mapping[int, AddedToken], special: Iterable[str]) -> None:
    """Bring added and special tokens into the backend, in the order of their ids."""
    there = {repr(token) for token in backend.get_added_tokens_decoder().values()}
    tokens = [token for _, token in sorted(added.items()) if repr(token) not in there]
    texts = {token.content for token in tokens}
    texts |= {token.content for token in backend.get_added_tokens_decoder().values()}
    tokens += [AddedToken(text, special=True) for text in special if text not in texts]
    for token in tokens:
        token.special = token.special or token.content in special
    backend.add_tokens(tokens)
    by_text = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    for text in special:
        if not by_text[text].special:
            backend.add_special_tokens([AddedToken(text, special=True, normalized=False)])


def _chat_template(directory: Path, config: Mapping[str, Any]) -> str | None:
    file = directory / "chat_template.jinja"
    template = read_text(file) if file.is_file() else config.get("chat_template")
    if isinstance(template, list):  # an older form: several, by name
        template = {each["name"]: each["template"] for each in template}
    if isinstance(template, dict):
        template = template.get("default")
    return None if template is None else str(template)


def _roles(config: Mapping[str, Any]) -> list[str]:
    """Return which of a configuration's fields name special tokens: `eos_token`, `image_token`."""
    own = [
        key for key in config
        if key.endswith("_token") and key not in _NAMED
        and isinstance(config[key], str | dict)
    ]  # fmt: skip
    return [*_NAMED, *own]


def _extra(config: Mapping[str, Any]) -> list[Any]:
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    return list(extra.values()) if isinstance(extra, dict) else list(extra)


def _token(fields: Mapping[str, Any]) -> AddedToken:
    known = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return AddedToken(**{name: fields[name] for name in known if name in fields})


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def _by_transformers(directory: Path, kind: str) -> Tokenizer:
    if find_spec("transformers") is None:
        raise CheckpointError(
            f"its tokenizer ({kind}) needs transformers: pip install -e '.[gpu]', or save it as "
            "tokenizer.json of the class PreTrainedTokenizerFast"
        )
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None:
        raise CheckpointError(f"its tokenizer ({kind}) has no tokenizer.json and cannot make one")
    template = found.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    named = {role: str(found.special_tokens_map[role]) for role in found.special_tokens_map
             if isinstance(found.special_tokens_map[role], str)}  # fmt: skip
    return Tokenizer(backend, named, found.all_special_tokens, template)
