"""What clients send to the OpenAI-compatible routes, and what of it is honoured.

Many clients send every field they know. Null is as good as left out, whatever the field. One that
this service cannot honour may also hold the value that asks for nothing, and is otherwise refused
by its name: none is silently dropped.
https://platform.openai.com/docs/api-reference has the originals.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.api.openai_messages import Message, question_of
from app.api.schemas import Encodable, Seed

Tokens = Annotated[int, Field(strict=True, ge=1)]
NoItems = Annotated[list[Any], Field(max_length=0)]
NoKeys = Annotated[dict[str, Any], Field(max_length=0)]


def _listed(value: Any) -> Any:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _single(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise ValueError("must be one string: this service continues one prompt at a time")
    return value[0]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _null_asks_for_nothing(cls, data: Any) -> Any:
        """Take null as left out, whatever the field: clients send null for what they know."""
        if not isinstance(data, dict):
            return data
        return {field: value for field, value in data.items() if value is not None}


class StreamOptions(_Body):
    """What a stream holds beside the text."""

    include_usage: bool | None = Field(None, description="End with a chunk that has the usage.")
    include_obfuscation: Literal[False] | None = None


class _Unused(_Body):
    """What callers may say of themselves: no answer depends on it, and nothing keeps it."""

    safety_identifier: str | None = Field(None, description="Accepted and not used.")
    prompt_cache_key: str | None = Field(None, description="Accepted and not used.")
    prompt_cache_retention: str | None = Field(None, description="Accepted and not used.")


class CompletionFields(_Unused):
    """What both kinds of completion may ask for."""

    model: Encodable = Field(description="`fine-tuned` or `base`.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="0, the default here, is greedy: answers repeat. OpenAI's default is 1."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Draw from the likeliest tokens that hold this share; no use if greedy."
    )
    stop: Annotated[
        list[Annotated[Encodable, Field(min_length=1)]],
        Field(max_length=4),
        BeforeValidator(_listed, json_schema_input_type=str | list[str] | None),
    ] = Field(default=[], description="Up to 4 texts; the answer ends before the first of them.")
    seed: Seed | None = Field(
        None, description="Makes a drawn answer the same each time, whatever else is asked."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, description="Accepted and not used.")

    n: Literal[1] | None = None
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    logit_bias: NoKeys | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(CompletionFields):
    """A raw prompt, to be continued."""

    prompt: Annotated[
        Encodable,
        Field(min_length=1),
        BeforeValidator(_single, json_schema_input_type=str | list[str]),
    ] = Field(description="The text to continue, as it is; no prompt format is put around it.")
    max_tokens: Tokens | None = Field(None, description="16 when left out, as in OpenAI's API.")
    logprobs: Annotated[int, Field(strict=True, ge=0, le=20)] | None = Field(
        None,
        description="Tell how likely each token was, and so many of the likeliest in its place. A "
        "stream's last chunk has them.",
    )

    best_of: Literal[1] | None = None
    echo: Literal[False] | None = None
    suffix: Literal[""] | None = None


class ResponseFormat(_Body):
    """Plain text is the only format."""

    type: Literal["text"]


def _with_question(messages: list[Message]) -> list[Message]:
    question_of(messages)
    return messages


class ChatRequest(CompletionFields):
    """A conversation whose last user message is the question."""

    messages: Annotated[list[Message], AfterValidator(_with_question)] = Field(
        description="The last user message is the question. The models know no conversation: "
        "system messages and earlier turns are accepted, whatever they hold, as many clients "
        "always send them, and not used. Parts of text are joined by line ends."
    )
    max_tokens: Tokens | None = Field(None, description="The service's default is in `/info`.")
    max_completion_tokens: Tokens | None = Field(None, description="Newer name of `max_tokens`.")
    logprobs: bool | None = Field(
        None, description="Tell how likely each token was; a stream's last chunk has them."
    )
    top_logprobs: Annotated[int, Field(strict=True, ge=0, le=20)] | None = Field(
        None, description="So many of the likeliest tokens in each place; with `logprobs`."
    )
    grounded: bool | None = Field(
        None,
        description="Not OpenAI's: as in `/answer`, have the model read published passages first.",
    )

    function_call: Literal["none", "auto"] | None = None
    functions: NoItems | None = None
    metadata: NoKeys | None = None
    modalities: list[Literal["text"]] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none"] | None = None
    response_format: ResponseFormat | None = None
    service_tier: Literal["auto", "default"] | None = None
    verbosity: Literal["medium"] | None = None
    store: Literal[False] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    tools: NoItems | None = None

    @property
    def told(self) -> int | None:
        """How many of the likeliest tokens are told; None: no likelihoods at all."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def question(self) -> str:
        """The last user message."""
        return question_of(self.messages)
