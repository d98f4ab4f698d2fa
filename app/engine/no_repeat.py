"""The guard against repetition: which tokens would make an answer repeat itself.

No sequence of so many tokens comes twice (Paulus et al. 2017), with two exceptions without which
the answer's words break. What stands in the prompt may come again: an answer names its subject.
And inside a word only sequences three times as long count: else the second "autosomal" ends as
something else. Knows nothing about models or batches.
"""

from app.engine.tokenizer import Tokenizer

_LONGER_INSIDE_WORDS = 3
_JOINING = "-'\u2019\ufffd"  # and pieces of a character


def inside_words(tokenizer: Tokenizer) -> frozenset[int]:
    """Return the tokens that go on with a word instead of beginning one."""
    special = tokenizer.special_ids
    return frozenset(
        token
        for token, text in enumerate(tokenizer.token_texts())
        if token not in special and text and (text[0].isalnum() or text[0] in _JOINING)
    )


def repeating(
    prompt: list[int], made: list[int], size: int, inside_words: frozenset[int]
) -> list[int]:
    """Return the tokens that must not follow those `made`, where nothing of `size` comes twice."""
    begun = _completing(prompt, made, size) - inside_words
    within = _completing(prompt, made, size * _LONGER_INSIDE_WORDS) & inside_words
    return [*begun, *within]


def _completing(prompt: list[int], made: list[int], size: int) -> set[int]:
    """Return what would complete a sequence of `size` that `made` holds and `prompt` does not."""
    if len(made) < size:
        return set()
    tail = made[len(made) - size + 1 :]
    return _following(made, tail) - _following(prompt, tail)


def _following(tokens: list[int], tail: list[int]) -> set[int]:
    """Return the tokens that stand right after each place where `tail` stands in `tokens`."""
    if not tail:
        return set(tokens)
    found, end = set(), 0
    while tail[-1] in tokens[end:-1]:
        end = tokens.index(tail[-1], end) + 1
        if end >= len(tail) and tokens[end - len(tail) : end] == tail:
            found.add(tokens[end])
    return found
