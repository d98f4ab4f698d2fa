"""The guard against repetition, for a whole batch at once, as the service decodes with it.

No sequence of so many tokens comes twice in an answer (Paulus et al. 2017), with two exceptions
without which its words break. What stands in the prompt may come again: an answer names its
subject. And inside a word only sequences three times as long count: else the second "autosomal"
ends as something else. But a sequence five times as long is no name: it comes no more often than it
stands in the prompt, or a model that copies a passage copies some sentence of it for ever.
Transformers' NoRepeatNGramLogitsProcessor knows none of this, and its Python loops over rows and
tokens take longer than the model.
"""

from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

NO_TOKEN = -1
_LONGER_INSIDE_WORDS = 3
_LONGER_THAN_NAMES = 5
_JOINING = "-'\u2019\ufffd"  # and pieces of a character


class NoRepeat(NamedTuple):
    """The size of the sequences, and which tokens go on with a word, shape [vocabulary]."""

    size: int
    inside_words: torch.Tensor

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, size: int) -> "NoRepeat | None":
        """Return the guard for a tokenizer's words; None for a size of 0, which lets all repeat."""
        if not size:
            return None
        special = set(tokenizer.all_special_ids)
        names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        texts = [tokenizer.convert_tokens_to_string([name]) for name in names]
        inside = [
            token not in special and bool(text) and (text[0].isalnum() or text[0] in _JOINING)
            for token, text in enumerate(texts)
        ]
        return cls(size, torch.tensor(inside))

    def ban(self, logits: torch.Tensor, prompts: torch.Tensor, answers: torch.Tensor) -> None:
        """Set to -inf what would make the end of an answer stand in it twice.

        Args:
            logits: scores of the next token, shape [rows, vocabulary], changed in place.
            prompts: tokens of the prompts, shape [rows, prompt tokens], -1 where there is none.
            answers: tokens so far, shape [rows, tokens].

        """
        inside = self.inside_words.to(logits.device)
        for size, within in ((self.size, False), (self.size * _LONGER_INSIDE_WORDS, True)):
            rows, tokens, asked = _completing(prompts, answers, size)
            counted = (asked == 0) & (inside[tokens] == within)
            logits[rows[counted], tokens[counted]] = -torch.inf
        rows, tokens, asked = _completing(prompts, answers, self.size * _LONGER_THAN_NAMES)
        same = (rows[:, None] == rows) & (tokens[:, None] == tokens)
        often = same.sum(-1) >= asked
        logits[rows[often], tokens[often]] = -torch.inf


def _completing(
    prompts: torch.Tensor, answers: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what would complete a sequence that the answer holds, each time that it does.

    Rows, tokens, and how often the sequence stands in the prompt, shape [found] each.
    """
    if answers.shape[1] < size:
        nothing = answers.new_empty(0)
        return nothing, nothing, nothing
    grams = answers.unfold(1, size, 1)  # [rows, grams, size]
    tail = answers[:, None, answers.shape[1] - size + 1 :]
    found, place = (grams[..., :-1] == tail).all(-1).nonzero(as_tuple=True)
    repeated = grams[found, place]
    asked = torch.zeros_like(found)
    if prompts.shape[1] >= size:
        asked = (prompts.unfold(1, size, 1)[found] == repeated[:, None]).all(-1).sum(-1)
    return found, repeated[:, -1], asked
