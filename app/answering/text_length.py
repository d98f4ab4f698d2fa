"""Whether a text is too long, found without holding up the event loop."""

import asyncio

from app.engine.tokenizer import Tokenizer

_PIECE_CHARACTERS = 2_000
_CUT_TOKENS = 16  # more than a piece may have of the words that are cut at its ends


async def surely_longer(text: str, most: int, tokenizer: Tokenizer) -> bool:
    """Return whether a text surely has more than so many tokens.

    It is read in pieces, with the event loop's other affairs between them: a body full of text
    takes tens of milliseconds.
    """
    tokens = 0
    for start in range(0, len(text), _PIECE_CHARACTERS):
        tokens += len(tokenizer.encode(text[start : start + _PIECE_CHARACTERS])) - _CUT_TOKENS
        if tokens > most:
            return True
        await asyncio.sleep(0)
    return False
