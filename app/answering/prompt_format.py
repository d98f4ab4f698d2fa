"""A question becomes a prompt: rendered once as text, given to both models as the same text.

The format is the fine-tuned tokenizer's own chat template, so it lives in one place. A question
is data: whatever special tokens its text spells are encoded as plain text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.interface import ServedModel
from app.engine.tokenizer import Tokenizer
from app.errors import CheckpointError

# A private-use character: no template contains it, so it marks where the question goes.
_PLACEHOLDER = "\ue000"


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """The text before and after a question, and the text at which an answer stops."""

    before: str
    after: str
    stop: str

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "PromptFormat":
        """Read the format from a tokenizer's chat template and end-of-sequence token.

        Raises:
            CheckpointError: the template is missing, fails, or does not show the question once.

        """
        if not tokenizer.chat_template:
            raise CheckpointError("the tokenizer has no chat template, so it has no prompt format")
        try:
            rendered = tokenizer.render([{"role": "user", "content": _PLACEHOLDER}])
        except Exception as error:  # a template may divide by zero, too
            raise CheckpointError(f"the chat template does not render: {error}") from error
        parts = rendered.split(_PLACEHOLDER)
        if len(parts) != 2:
            raise CheckpointError(
                f"the chat template shows the question {len(parts) - 1} times instead of once"
            )
        return cls(before=parts[0], after=parts[1], stop=str(tokenizer.eos_token))

    @classmethod
    def of_model(cls, fine_tuned: ServedModel) -> "PromptFormat":
        """Check that a fine-tuned tokenizer can begin and end an answer; return its format.

        Raises:
            CheckpointError: the end token is missing, split or shared with padding, or the chat
                template fails.

        """
        tokenizer = fine_tuned.tokenizer
        try:
            if tokenizer.eos_token is None:
                raise CheckpointError("the tokenizer has no end-of-sequence token")
            if tokenizer.encode_marked(tokenizer.eos_token) != [tokenizer.eos_token_id]:
                raise CheckpointError(f"{tokenizer.eos_token} is not one token")
            if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
                raise CheckpointError("padding needs its own token, apart from end-of-sequence")
            return cls.of(tokenizer)
        except CheckpointError as error:
            raise CheckpointError(f"{fine_tuned.source}: {error}") from error

    def reserve_markers(self, tokenizer: Tokenizer) -> None:
        """Have a tokenizer treat this format's markers as special, if it has them as tokens."""
        whole = self.before + self.after + self.stop
        added = tokenizer.backend.get_added_tokens_decoder().values()
        tokenizer.reserve([token.content for token in added if token.content in whole])

    def render(self, question: str) -> str:
        """Return the prompt as text."""
        return f"{self.before}{question}{self.after}"

    def encode(self, question: str, tokenizer: Tokenizer) -> list[int]:
        """Return the prompt's token ids, with the question as plain text.

        A tokenizer that knows the format's markers as special tokens (the fine-tuned one) gets
        them as such. Between two markers, and for a tokenizer that knows none (the base), the
        text is encoded at once, so that tokens may form across the question's borders.
        """
        first = _after_last(self.before, tokenizer.special_tokens)
        last = _before_first(self.after, tokenizer.special_tokens)
        return (
            tokenizer.encode_marked(self.before[:first])
            + tokenizer.encode(self.before[first:] + question + self.after[:last])
            + tokenizer.encode_marked(self.after[last:])
        )


def _after_last(text: str, markers: Sequence[str]) -> int:
    """Return where the last of the markers in a text ends; 0 without any."""
    return max((text.rfind(each) + len(each) for each in markers if each in text), default=0)


def _before_first(text: str, markers: Sequence[str]) -> int:
    """Return where the first of the markers in a text begins; its end without any."""
    return min((text.find(each) for each in markers if each in text), default=len(text))
