"""Every knob of the service: one documented field each, from MEDQA_* variables or a .env file.

Read in `main` and `__main__` only; parts receive plain values.
"""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GPT2 = "openai-community/gpt2"
GPT2_REVISION = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
_MODELS = Path(__file__).resolve().parent.parent / "models"
TRAINED = _MODELS / "gpt2-medquad"
DEMO = _MODELS / "demo"

Positive = Annotated[int, Ge(1)]


class Settings(BaseSettings):
    """The service's configuration; each field is `MEDQA_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="MEDQA_", env_file=".env", extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Ge(0), Le(65535)] = Field(8000, description="Port to listen on.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe message that is logged."
    )

    fine_tuned_model: str | None = Field(
        None,
        description="Directory or hub id of the fine-tuned model. Unset: `models/gpt2-medquad` "
        "if it exists, else the demo pair.",
    )
    fine_tuned_revision: str | None = Field(
        None, description="Commit, tag or branch of a fine-tuned model on the hub."
    )
    base_model: str | None = Field(
        None,
        description="Directory or hub id of the base model. Unset: `openai-community/gpt2`, or "
        "the demo base when the demo pair is served.",
    )
    base_revision: str | None = Field(
        None, description="Commit, tag or branch of a base model on the hub. Unset: pinned."
    )
    device: str = Field(
        "auto", description="`cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for the best there is."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights. `auto`: bfloat16 on CUDA, else float32."
    )
    cpu_threads: Annotated[int, Ge(0)] = Field(
        0, description="Threads for CPU arithmetic. 0: PyTorch's own choice."
    )

    max_question_characters: Positive = Field(
        4_000, description="Longest question or raw prompt accepted, in characters."
    )
    max_body_bytes: Positive = Field(65_536, description="Largest request body accepted, in bytes.")
    default_new_tokens: Positive = Field(
        512, description="Most tokens of an answer when the request does not say."
    )
    max_new_tokens: Positive = Field(1_024, description="Most tokens that a request may ask for.")
    max_running: Positive = Field(
        16, description="Answers that one model makes at the same time (its batch)."
    )
    max_waiting: Annotated[int, Ge(0)] = Field(
        64, description="Questions that may wait for a place in one model's batch."
    )
    max_batch_tokens: Positive = Field(
        512, description="Tokens in one forward pass; longer prompts are read in pieces."
    )
    request_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        120.0, description="Longest time from a question to the end of its answer."
    )
    drain_seconds: Annotated[int, Ge(0)] = Field(
        30, description="Time that running answers get to finish after SIGTERM."
    )

    @model_validator(mode="after")
    def _default_within_maximum(self) -> "Settings":
        if self.default_new_tokens > self.max_new_tokens:
            raise ValueError(
                f"MEDQA_DEFAULT_NEW_TOKENS ({self.default_new_tokens}) is above "
                f"MEDQA_MAX_NEW_TOKENS ({self.max_new_tokens})"
            )
        return self
