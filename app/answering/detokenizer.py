"""Tokens become text as they arrive: whole characters only, nothing past a stop text.

Knows nothing about models or requests. Text that may be the beginning of a stop text is held
back until the next token decides, so that no client ever sees half of `<end>`.
"""

from collections.abc import Sequence

from tokenizers.decoders import DecodeStream

from app.engine.tokenizer import Tokenizer


class AnswerText:
    """The text of one answer, fed token by token, up to the first of the texts in `stops`."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._backend = tokenizer.backend
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stops = stops
        self._held = ""
        self.stopped = False

    def push(self, token_id: int) -> str:
        """Take the next token; return the text that is now certain (often empty)."""
        if self.stopped:
            return ""
        self._held += self._stream.step(self._backend, token_id) or ""
        cut = _first_stop(self._held, self._stops)
        if cut is not None:
            self.stopped = True
            before, self._held = self._held[:cut], ""
            return before
        longest = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        safe = len(self._held) - longest
        ready, self._held = self._held[:safe], self._held[safe:]
        return ready

    def finish(self) -> str:
        """Return what was held back, now that no more tokens come.

        A character whose last bytes never came is dropped by the decoder.
        """
        rest, self._held = self._held, ""
        return rest


def _first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Return where the stop text begins that is complete first, or None.

    The one that begins first would depend on how the text was cut into tokens.
    """
    found = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found)[1] if found else None


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
