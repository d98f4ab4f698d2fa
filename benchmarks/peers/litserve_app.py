"""LitServe with batching, as its documentation shows it: whole batches by `generate()` in fp32.

`python -m benchmarks.peers.litserve_app MODEL PORT`. Requests that come within a few milliseconds
share a batch; those that come later wait until it is done.
"""

import sys
from typing import Any

import litserve
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

_MAX_BATCH = 16
_BATCH_SECONDS = 0.01
_LONGEST_SECONDS = 300.0


class Answers(litserve.LitAPI):  # type: ignore[misc]  # untyped where it is not installed
    """One model, and the batches that it answers."""

    def __init__(self, directory: str) -> None:
        super().__init__(max_batch_size=_MAX_BATCH, batch_timeout=_BATCH_SECONDS)
        self._directory = directory

    def setup(self, device: str) -> None:
        """Load the model, in the worker's process."""
        model: Any = AutoModelForCausalLM.from_pretrained(self._directory, dtype=torch.float32)
        self._model = model.to(device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(self._directory, padding_side="left")

    def predict(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer a batch; each answer is cut to what its own request asked for."""
        prompts = [f"<question>{each['question']}<answer>" for each in requests]
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True).to(self._model.device)
        longest = max(each["max_new_tokens"] for each in requests)
        output = self._model.generate(
            **inputs, max_new_tokens=longest, do_sample=False, pad_token_id=0
        )
        answers = []
        for request, ids in zip(requests, output[:, inputs["input_ids"].shape[1] :], strict=True):
            new = ids[: request["max_new_tokens"]]
            text = self._tokenizer.decode(new, skip_special_tokens=True)
            answers.append({"answer": text, "usage": {"completion_tokens": len(new)}})
        return answers


if __name__ == "__main__":
    server = litserve.LitServer(
        Answers(sys.argv[1]), accelerator="auto", workers_per_device=1, timeout=_LONGEST_SECONDS
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False
    )
