"""Every knob of the service: one documented field each, from MEDQA_* variables or a .env file.

Read in `main` and `__main__` only; parts receive plain values.
"""

from importlib.util import find_spec
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.setting_types import (
    Host,
    Key,
    KeysFile,
    Limit,
    Listed,
    Origin,
    Positive,
    Proxy,
    Region,
    Storage,
)


class Settings(BaseSettings):
    """The service's configuration; each field is `MEDQA_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="MEDQA_",
        env_file=".env",
        env_ignore_empty=True,  # as compose files write what is not set
        extra="ignore",
        hide_input_in_errors=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Ge(0), Le(65535)] = Field(8000, description="Port to listen on.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe message that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How log lines look: `text`, or `json` for one object per line."
    )
    log_texts: bool = Field(
        False, description="Whether each request's log line holds its question and answer."
    )
    otel_endpoint: str | None = Field(
        None,
        description="OTLP/HTTP URL that OpenTelemetry traces are sent to, such as "
        "`http://collector:4318/v1/traces`. Unset: none. Needs the extra `otel`.",
    )

    root_path: Annotated[str, Field(pattern="^(/[^/?#]+)*$")] = Field(
        "", description="Prefix of every path, such as `/medqa`, where a proxy strips it."
    )
    allowed_hosts: Annotated[list[Host], *Listed] = Field(
        [],
        description="Hosts that requests may name, comma separated, such as `example.org` or "
        "`*.example.org`; probes and `/metrics` may name any. Empty: all, as a proxy in front "
        "checks them. Without one, set it: another site's page could pass itself off as this one.",
    )
    trusted_proxies: Annotated[
        list[Proxy],
        *Listed,
        BeforeValidator(lambda value: [] if value == "none" else value),
    ] = Field(
        ["127.0.0.1"],
        description="Addresses and networks, comma separated, whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed. `*`: whoever connects, for where only a proxy gets "
        "through; it is believed about the address that it added itself, the last one. `none`: "
        "nobody's.",
    )
    api_keys: Annotated[list[Key], *Listed] = Field(
        [],
        description="SHA-256 digests of the keys that may ask, comma separated, each in hex and "
        "maybe named: `name:digest`. None here or in the file: everyone may ask. The page, "
        "`/docs`, `/healthz`, `/readyz` and `/metrics` (for scrapers; close it in the proxy if it "
        "must be) never need one.",
    )
    api_keys_file: KeysFile = Field(
        None, description="File with more of them, one per line, `#` for comments; read at start."
    )
    rate_limit: Limit = Field(
        "",
        description="Questions that one key, or one address without a key, may ask, such as "
        "`60/minute`. Empty: no limit.",
    )
    rate_limit_storage: Storage = Field(
        "memory://",
        description="Where they are counted: `memory://` in each process, `redis://host:6379/0` "
        "for several processes together.",
    )
    cors_origins: Annotated[list[Origin], *Listed] = Field(
        [],
        description="Origins of other sites whose pages may ask, comma separated, such as "
        "`https://example.org`. Empty: none.",
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
        "auto",
        description="`cpu`, `cuda` (the first card that works), `cuda:1`, `mps`, or `auto` for the "
        "best there is; `cuda:0,cuda:1` puts a model on each. A device that is named and cannot be "
        "used stops the start with the reason; `auto` says why it passes one over.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="Number format of the matrices. `auto`: float32 on CPUs and Macs, on cards "
        "bfloat16, or float16 where that is only emulated. `bfloat16` and `int8` make CPUs faster "
        "and change answers a little, and each answer says so. In 16 bits the output head stays "
        "float32.",
    )
    cpu_threads: Annotated[int, Ge(0)] = Field(
        0,
        description="Threads for CPU arithmetic. 0: the cores allowed, within the cgroup's quota.",
    )

    max_question_characters: Positive = Field(
        4_000, description="Longest question or raw prompt accepted, in characters."
    )
    max_body_bytes: Positive = Field(65_536, description="Largest request body accepted, in bytes.")
    max_header_bytes: Positive = Field(
        16_384,
        description="Most bytes of a request's headers and address together; more is a 431.",
    )
    default_new_tokens: Positive = Field(
        512, description="Most tokens of an answer when the request does not say."
    )
    max_new_tokens: Positive = Field(1_024, description="Most tokens that a request may ask for.")
    max_running: Positive = Field(
        32, description="Answers that one model makes at the same time (its batch)."
    )
    cache_tokens: Positive = Field(
        16_384,
        description="Tokens whose keys and values one model keeps. An answer begins once there is "
        "room for its question and for the most tokens that it may have. GPT-2 takes 72 KiB for "
        "each in float32, as they are first used.",
    )
    max_waiting: Annotated[int, Ge(0)] = Field(
        8,
        description="Questions that may wait for a place in one model's batch. With a quarter of "
        "`MEDQA_MAX_RUNNING` the last one waits about a quarter of an answer's time.",
    )
    max_batch_tokens: Positive = Field(
        256,
        description="Tokens in one forward pass; longer prompts are read in pieces. A pass must "
        "stay well below `MEDQA_STALL_SECONDS`.",
    )
    drafts: bool = Field(
        True,
        description="Whether how an answer goes on is guessed from its own text and from the "
        "training answers, and verified in the same step: the same answer, sooner.",
    )
    no_repeat_ngram_size: Annotated[int, Ge(0)] | None = Field(
        None,
        description="No sequence of so many tokens comes twice in the fine-tuned model's answers, "
        "unless it stands in the question or the request says otherwise; 0 lets the model repeat "
        "itself. Unset: what its generation_config.json says.",
    )
    base_no_repeat_ngram_size: Annotated[int, Ge(0)] = Field(
        0, description="The same for the base model; off, so that the comparison is honest."
    )
    queue_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Longest time from a question to the first token of its answer."
    )
    request_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        120.0, description="Longest time from a question to the end of its answer."
    )
    keep_alive_seconds: Positive = Field(
        75,
        description="Time that an idle connection stays open. Longer than a proxy in front keeps "
        "its own, or it will now and then send a request into one that is closing.",
    )
    receive_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        20.0,
        description="Longest time for a request's headers to arrive whole, and again for its body.",
    )
    send_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        30.0,
        description="Longest time that a client may leave what it was sent unread; then its "
        "connection is closed and its place is free.",
    )
    drain_seconds: Annotated[int, Ge(0)] = Field(
        30, description="Time that running answers get to finish after SIGTERM."
    )

    references: str | None = Field(
        None,
        description="Directory of the index of published answers, made by `python -m training "
        "index`. Unset: `models/references` if it exists. `none`: no references.",
    )
    excerpt_characters: Positive = Field(
        400, description="Most characters that a reference shows of its answer."
    )
    region: Region = Field(
        "US", description="Whose emergency numbers notices name: US, CA, UK, IE, EU, AU or NZ."
    )
    answer_red_flags: bool = Field(
        True,
        description="Whether a question that gets a notice (emergency, self-harm, overdose, "
        "poisoning, abuse) is answered too; false gives the notice alone.",
    )

    stall_seconds: Annotated[float, Field(gt=0)] = Field(
        4.0, description="A model that takes no step for so long is stuck: health turns red."
    )
    model_restarts: Annotated[int, Ge(0)] = Field(
        3,
        description="Times within ten minutes that a model's process which has ended by itself is "
        "started again; meanwhile `/readyz` is red, and the other model answers.",
    )
    failure_grace_seconds: Annotated[float, Field(ge=0)] = Field(
        10.0,
        description="After so long with a model that is stuck, or has ended once too often, the "
        "process exits with 1.",
    )

    @property
    def trusts_every_proxy(self) -> bool:
        """Whether whoever connects is believed to be a proxy."""
        return "*" in self.trusted_proxies

    @field_validator("otel_endpoint")
    @classmethod
    def _tracing_is_installed(cls, endpoint: str | None) -> str | None:
        try:
            installed = find_spec("opentelemetry.exporter.otlp.proto.http") is not None
        except ModuleNotFoundError:
            installed = False
        if endpoint and not installed:
            raise ValueError("traces need the extra otel: pip install -e '.[otel]'")
        return endpoint

    @model_validator(mode="after")
    def _default_within_maximum(self) -> "Settings":
        if self.default_new_tokens > self.max_new_tokens:
            raise ValueError(
                f"MEDQA_DEFAULT_NEW_TOKENS ({self.default_new_tokens}) is above "
                f"MEDQA_MAX_NEW_TOKENS ({self.max_new_tokens})"
            )
        return self
