"""What all kinds of clients send, in one seeded mix: questions, nonsense, and leaving mid-way.

Each request says which outcomes are right; any other is unexplained.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from benchmarks.harness.asking import request

_WORDS = """
what are the symptoms causes and treatments of asthma diabetes stroke fever cough anemia in children
adults is it inherited how many people have outlook for genetic changes related to who might get
complications prevent diagnosed tests pain swelling sleep 3 mg of – naïve κ
""".split()  # noqa: SIM905 - a list of so many words is longer than it is clear
_MODELS = ("fine-tuned", "base")
_QUESTION_WORDS = (5, 10, 20, 60, 200)
_NEW_TOKENS = (8, 96)
_LEAVE_SECONDS = (0.02, 1.0)
_ANSWERED = frozenset({"200", "429"})
_COMPARED = _ANSWERED | {"200, a side 429"}
_AFTER_NOTICE = frozenset({"200, then 429"})
"""A stream for a person in need begins with whom to call, full or not."""


class Sent(NamedTuple):
    """A request of some kind, and how it may end; with `leave_seconds`, the client leaves then."""

    kind: str
    raw: bytes
    expected: frozenset[str]
    leave_seconds: float | None = None


class Traffic:
    """An endless mix of requests, the same for the same seed."""

    def __init__(
        self, url: httpx.URL, *, has_references: bool, longest_words: int, seed: int = 17
    ) -> None:
        self._url = url
        self._random = random.Random(seed)
        self._words = [words for words in _QUESTION_WORDS if words <= longest_words]
        self._found = frozenset({"200" if has_references else "404"})
        self._kinds: dict[Callable[[], Sent], int] = {
            self.answer: 30,
            self._streamed_answer: 20,
            self._compared: 10,
            self._streamed_comparison: 8,
            self._chat: 8,
            self._completion: 6,
            self._search: 4,
            self._description: 2,
            self._leaving: 8,
            self._malformed: 8,
        }

    def draw(self) -> Sent:
        """Return the next request."""
        return self._random.choices(list(self._kinds), list(self._kinds.values()))[0]()

    def gap_seconds(self, rate: float) -> float:
        """Return the time to the next of Poisson arrivals at `rate` per second."""
        return self._random.expovariate(rate)

    def answer(self) -> Sent:
        """Return a question to one model, to be answered whole."""
        return self._sent("answer", "/answer", self._asked() | {"model": self._model()})

    def _streamed_answer(self) -> Sent:
        body = self._asked() | {"model": self._model(), "stream": True}
        return self._sent("answer, streamed", "/answer", body, _ANSWERED | _AFTER_NOTICE)

    def _compared(self) -> Sent:
        body = self._asked()
        if self._random.random() < 0.3:
            body["reference"] = self._text(30)
        return self._sent("compare", "/compare", body, _COMPARED)

    def _streamed_comparison(self) -> Sent:
        body = self._asked() | {"stream": True}
        return self._sent("compare, streamed", "/compare", body, _COMPARED | _AFTER_NOTICE)

    def _chat(self) -> Sent:
        messages = [{"role": "user", "content": self._text(15)}]
        return self._openai("chat", "/v1/chat/completions", {"messages": messages})

    def _completion(self) -> Sent:
        return self._openai("completion", "/v1/completions", {"prompt": self._text(15)})

    def _openai(self, kind: str, path: str, body: dict[str, Any]) -> Sent:
        body |= {"model": self._model(), "max_tokens": self._random.randint(*_NEW_TOKENS)}
        if self._random.random() < 0.5:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return self._sent(kind, path, body)

    def _search(self) -> Sent:
        query = httpx.QueryParams(q=self._text(6))
        return Sent("search", request(self._url, f"/references?{query}"), self._found)

    def _description(self) -> Sent:
        path = self._random.choice(["/info", "/healthz", "/readyz", "/", "/openapi.json"])
        return Sent("description", request(self._url, path), frozenset({"200"}))

    def _leaving(self) -> Sent:
        """Return a request whose client is gone before its end, or even before its body's."""
        sent = self._random.choice([self.answer, self._streamed_answer, self._compared])()
        raw = sent.raw
        if self._random.random() < 0.2:
            raw = raw[: self._random.randrange(1, len(raw))]
        return Sent("leaving", raw, sent.expected, self._random.uniform(*_LEAVE_SECONDS))

    def _malformed(self) -> Sent:
        body, status, path = self._random.choice(_MALFORMED)
        sent = request(self._url, path, body)
        # Only a model knows that a prompt is too long, and one that is full does not read it.
        full = {"429"} if status == 413 else set()
        return Sent("malformed", sent, frozenset({str(status)} | full))

    def _asked(self) -> dict[str, Any]:
        """Return a question as most people would send it, some with decoding of their own."""
        body: dict[str, Any] = {
            "question": self._text(self._random.choice(self._words)),
            "max_new_tokens": self._random.randint(*_NEW_TOKENS),
        }
        if self._random.random() < 0.3:
            body |= {"temperature": 0.8, "top_p": 0.9, "top_k": 50}
        if self._random.random() < 0.2:
            body |= {"no_repeat_ngram_size": 4, "references": 0}
        return body

    def _sent(
        self, kind: str, path: str, body: dict[str, Any], expected: frozenset[str] = _ANSWERED
    ) -> Sent:
        return Sent(kind, request(self._url, path, body), expected)

    def _text(self, words: int) -> str:
        return " ".join(self._random.choices(_WORDS, k=words)) + "?"

    def _model(self) -> str:
        return self._random.choice(_MODELS)


_QUESTION = {"question": "What is asthma?"}
_MALFORMED: list[tuple[Any, int, str]] = [
    (b"{", 400, "/answer"),
    (b"\xff\xfe", 400, "/answer"),
    (b'{"question": "\\ud800"}', 422, "/answer"),
    ([], 422, "/answer"),
    ({}, 422, "/answer"),
    ({"question": " "}, 422, "/compare"),
    ({"question": 7}, 422, "/compare"),
    ({"question": "x" * 5_000}, 422, "/answer"),
    ({"question": "x" * 70_000}, 413, "/answer"),
    ({"question": " ".join("q" * 1_500)}, 413, "/compare"),
    (_QUESTION | {"max_new_tokens": 0}, 422, "/answer"),
    (_QUESTION | {"max_new_tokens": 10**9}, 422, "/answer"),
    (_QUESTION | {"temperature": float("nan")}, 422, "/answer"),
    (_QUESTION | {"model": "other"}, 422, "/answer"),
    (_QUESTION | {"unknown": 1}, 422, "/answer"),
    (None, 405, "/answer"),
    (None, 404, "/nowhere"),
    ({"model": "other", "prompt": "a"}, 404, "/v1/completions"),
    ({"model": "base", "messages": []}, 400, "/v1/chat/completions"),
]
