"""A running service's answers, as whoever asks it gets them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
from tqdm import tqdm

from training.errors import TrainingError

_CLIENTS = 4
_TIMEOUT_SECONDS = 300.0


def served_answers(url: str, questions: Sequence[str]) -> list[str]:
    """Return the fine-tuned model's answer to each question, with the service's own defaults.

    Raises:
        TrainingError: the service does not answer.
    """
    with (
        httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS) as client,
        ThreadPoolExecutor(_CLIENTS) as threads,
    ):

        def answer(question: str) -> str:
            try:
                reply = client.post("/answer", json={"question": question})
                reply.raise_for_status()
            except httpx.HTTPError as error:
                raise TrainingError(f"{url} does not answer: {error}") from error
            return str(reply.json()["answer"])

        asked = threads.map(answer, questions)
        return list(tqdm(asked, total=len(questions), desc="served", unit="answer"))
