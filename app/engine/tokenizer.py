"""A model's tokenizer and chat template, over `tokenizers` and `jinja2` alone.

The web server counts and encodes tokens for every request, and would need a quarter of a gigabyte
of PyTorch and transformers for nothing else. Ids are those of transformers' `AutoTokenizer`; how a
directory's files are read is `tokenizer_files`' affair.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jinja2.exceptions import TemplateError
from jinja2.ext import Extension
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend


class Tokenizer:
    """Text to token ids and back; what a person typed is never control.

    Args:
        backend: the tokenizer itself, its added tokens included.
        named: special tokens by role: `bos_token`, `eos_token`, `pad_token`, …
        special: all special tokens, named or not.
        chat_template: a Jinja template, if the model has one.

    """

    def __init__(
        self,
        backend: Backend,
        named: Mapping[str, str],
        special: Sequence[str],
        chat_template: str | None,
    ) -> None:
        self.backend = backend
        self.special_tokens = list(special)
        self._named = dict(named)
        self.eos_token = named.get("eos_token")
        self.eos_token_id = self._id_of(named.get("eos_token"))
        self.pad_token_id = self._id_of(named.get("pad_token"))
        self.chat_template = chat_template
        self._lock = threading.Lock()  # the backend has one mode for all who use it
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True

    def __len__(self) -> int:
        """Return how many tokens there are, added ones included."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    @property
    def special_ids(self) -> set[int]:
        """The ids of all special tokens."""
        found = (self.backend.token_to_id(token) for token in self.special_tokens)
        return {token_id for token_id in found if token_id is not None}

    def encode(self, text: str) -> list[int]:
        """Return the ids of text that is data: special tokens that it spells stay plain text."""
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def encode_placed(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids of text that is data, and where each token begins and ends in it.

        In code points; a token of a part of a character has all of it.
        """
        found = self.backend.encode(text, add_special_tokens=False)
        return found.ids, found.offsets

    def encode_marked(self, text: str) -> list[int]:
        """Return the ids of text of a prompt's format, in which special tokens are themselves."""
        with self._lock:
            self.backend.encode_special_tokens = False
            try:
                return self.encode(text)
            finally:
                self.backend.encode_special_tokens = True

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special ones included."""
        text: str = self.backend.decode(list(ids), skip_special_tokens=False)
        return text

    def token_texts(self) -> list[str]:
        """Return the text of each token by itself; pieces of characters become U+FFFD."""
        names = [self.backend.id_to_token(token_id) for token_id in range(len(self))]
        decoder = self.backend.decoder
        return [decoder.decode([name]) if name and decoder else name or "" for name in names]

    def reserve(self, markers: Sequence[str]) -> None:
        """Have added tokens among `markers` be special, whatever flags they were saved with.

        A marker that is not special would be read as control wherever a person types it.
        """
        added = self._added()
        missing = [each for each in markers if each in added and each not in self.special_tokens]
        self.backend.add_special_tokens([_as_special(added[each]) for each in missing])
        self.special_tokens += missing

    def between(self, before: str, text: str, after: str) -> str:
        """Return what is left of text between two special tokens, "" for none.

        Some were saved to swallow the white space beside them (`lstrip`, `rstrip`).
        """
        added = self._added()
        if before and added[before].rstrip:
            text = text.lstrip()
        return text.rstrip() if after and added[after].lstrip else text

    def _added(self) -> dict[str, AddedToken]:
        return {token.content: token for token in self.backend.get_added_tokens_decoder().values()}

    def render(self, messages: Sequence[Mapping[str, str]], **variables: Any) -> str:
        """Return the prompt that the chat template makes of messages, up to where an answer begins.

        Raises:
            TemplateError: the template is wrong, or does what its sandbox forbids.

        """
        environment = _sandbox()
        environment.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now}
        environment.filters["tojson"] = _to_json
        template = environment.from_string(self.chat_template or "")
        given = {"tools": None, "documents": None, "add_generation_prompt": True, **self._named}
        return template.render(given | variables, messages=messages)

    def _id_of(self, token: str | None) -> int | None:
        found: int | None = None if token is None else self.backend.token_to_id(token)
        return found


def _as_special(token: AddedToken) -> AddedToken:
    return AddedToken(
        token.content,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=False,
        special=True,
    )


class _GenerationBlock(Extension):
    """`{% generation %}`, by which templates tell trainers what the model says: plain text here."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[Node]:
        """Return what stands in the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _sandbox() -> ImmutableSandboxedEnvironment:
    """Return what transformers renders chat templates in: a template of a stranger runs nothing."""
    return ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _GenerationBlock],
    )


def _raise(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(layout: str) -> str:
    return datetime.now().strftime(layout)  # noqa: DTZ005 - the local day, as templates expect it


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)
