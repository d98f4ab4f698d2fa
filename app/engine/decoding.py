"""How an answer is decoded: what a request may choose.

Knows nothing about tensors; `sampling` does what is written here.
"""

from dataclasses import dataclass

_LEAST_TEMPERATURE = 1e-5  # dividing by less overflows float32, and the likeliest token wins anyway


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is decoded. Temperature 0 is greedy: the same question, the same answer.

    No new word makes a sequence of `no_repeat_ngram_size` tokens come twice in an answer: see
    `no_repeat`. 0 lets the model repeat itself, None leaves it to the model's default.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    no_repeat_ngram_size: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether each token is simply the likeliest one."""
        return self.temperature < _LEAST_TEMPERATURE
