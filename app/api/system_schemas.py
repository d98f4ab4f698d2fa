"""The public contract: what the service says of itself, not of any question."""

from pydantic import BaseModel, Field

from app.answering.answer import ModelName
from app.api.reference_schemas import ReferencesInfo


class ModelInfo(BaseModel):
    """One of the two models."""

    name: ModelName
    source: str = Field(description="Directory or hub id.")
    revision: str | None = Field(description="Hub commit; null for a directory.")
    parameters: int
    vocabulary: int
    context_tokens: int
    device: str
    device_reason: str = Field(description="Why this device, and why no better one.")
    dtype: str
    max_running: int = Field(description="Answers that it makes at the same time.")
    max_batch_tokens: int = Field(description="Tokens in one forward pass.")
    no_repeat_ngram_size: int = Field(
        description="Default of the request field of that name; 0: the model may repeat itself."
    )
    drafted_tokens: int = Field(
        description="Tokens that were guessed since the start and verified in the same step."
    )
    accepted_tokens: int = Field(description="How many of them were right: a step saved by each.")


class Info(BaseModel):
    """What is served, and within which limits."""

    version: str
    models: list[ModelInfo]
    prompt: str = Field(description="The prompt that both models get, with {question} in it.")
    stop: str = Field(description="The text at which an answer ends.")
    limits: dict[str, int]
    in_flight: dict[ModelName, int] = Field(description="Answers being made or waiting, by model.")
    libraries: dict[str, str]
    references: ReferencesInfo
    region: str = Field(description="Whose contacts notices name.")
    grounded: bool = Field(
        description="Whether the models read published passages where a request does not say: "
        "the fine-tuned one learned to, and there is an index."
    )


class Status(BaseModel):
    """Whether the service lives, or is ready."""

    status: str
