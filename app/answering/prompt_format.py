"""A question becomes a prompt: rendered once as text, given to both models as the same text.

The format is the fine-tuned tokenizer's own chat template, so it lives in one place. A question
is data: whatever special tokens its text spells are encoded as plain text.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

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
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> "PromptFormat":
        """Read the format from a tokenizer's chat template and end-of-sequence token.

        Raises:
            CheckpointError: the template is missing, fails, or does not show the question once.

        """
        if not tokenizer.chat_template:
            raise CheckpointError("the tokenizer has no chat template, so it has no prompt format")
        try:
            rendered = tokenizer.apply_chat_template(
                [{"role": "user", "content": _PLACEHOLDER}],
                tokenize=False,
                add_generation_prompt=True,
            )
        except Exception as error:
            raise CheckpointError(f"the chat template does not render: {error}") from error
        parts = str(rendered).split(_PLACEHOLDER)
        if len(parts) != 2:
            raise CheckpointError(
                f"the chat template shows the question {len(parts) - 1} times instead of once"
            )
        return cls(before=parts[0], after=parts[1], stop=str(tokenizer.eos_token))

    def render(self, question: str) -> str:
        """Return the prompt as text."""
        return f"{self.before}{question}{self.after}"

    def encode(self, question: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the prompt's token ids, with the question as plain text.

        A tokenizer that knows the format's markers as special tokens (the fine-tuned one) gets
        them as such. For any other (the base) the markers are text like the rest, and the whole
        prompt is encoded at once so that tokens may form across the borders.
        """
        if self._marked_by(tokenizer):
            return (
                _marked_ids(self.before, tokenizer)
                + plain_ids(question, tokenizer)
                + _marked_ids(self.after, tokenizer)
            )
        return plain_ids(self.render(question), tokenizer)

    def _marked_by(self, tokenizer: PreTrainedTokenizerBase) -> bool:
        return any(
            token in self.before + self.after + self.stop for token in tokenizer.all_special_tokens
        )


def plain_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the token ids of text that is data: special tokens spelled in it stay plain text."""
    ids: list[int] = tokenizer.encode(
        text,
        add_special_tokens=False,
        split_special_tokens=True,
        verbose=False,  # no warning of what is too long: that is refused where it would be read
    )
    return ids


def _marked_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids
