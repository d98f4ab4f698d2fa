"""How much an answer repeats itself: small models run in circles, and this says when."""

_WORDS_PER_GRAM = 4
REPEATING = 0.2
"""Share of repeated 4-grams from which an answer counts as repeating itself."""


def repeated_share(text: str) -> float:
    """Return the share of a text's word 4-grams that occurred before, in 0-1.

    1 - distinct 4-grams / 4-grams, as seq-rep-4 of Welleck et al. 2019 ("Neural Text Generation
    with Unlikelihood Training") over words; 0 for fewer than 4 words.
    """
    words = text.lower().split()
    grams = list(zip(*(words[start:] for start in range(_WORDS_PER_GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
