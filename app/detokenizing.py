"""Tokens become text as they arrive: whole characters only, nothing past the stop text.

Knows nothing about models or requests. Text that may be the beginning of the stop text is held
back until the next token decides, so that no client ever sees half of `<end>`.
"""

from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerBase


class AnswerText:
    """The text of one answer, fed token by token."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: str) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stop = stop
        self._held = ""
        self.stopped = False

    def push(self, token_id: int) -> str:
        """Take the next token; return the text that is now certain (often empty)."""
        if self.stopped:
            return ""
        self._held += self._stream.step(self._backend, token_id) or ""
        before, found, _ = self._held.partition(self._stop)
        if found:
            self.stopped = True
            self._held = ""
            return before
        safe = len(self._held) - _overlap(self._held, self._stop)
        ready, self._held = self._held[:safe], self._held[safe:]
        return ready

    def finish(self) -> str:
        """Return what was held back, now that no more tokens come.

        A character whose last bytes never came is dropped by the decoder.
        """
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
