"""Prometheus metrics: what is counted and measured of requests, answers and the two engines.

Names follow vLLM and text-generation-inference. Knows nothing about HTTP: it observes records.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, get_args

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from app import __version__
from app.answering.answer import Answer, Attempt, ModelName
from app.answering.service import Service
from app.engine.interface import public_name
from app.libraries import libraries
from app.telemetry.repetition import REPEATING, repeated_share
from app.telemetry.request_records import RequestRecord

_MODELS: tuple[ModelName, ...] = get_args(ModelName)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128)


class _Guesses(Collector):
    """Tokens that each model guessed and verified, and how many were right, as it counts them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield both counters; 0 until a model is loaded."""
        drafted = CounterMetricFamily(
            "medqa_drafted_tokens",
            "Tokens guessed and verified in the same step.",
            labels=["model"],
        )
        accepted = CounterMetricFamily(
            "medqa_accepted_tokens", "Guessed tokens that were right.", labels=["model"]
        )
        for model in _MODELS:
            answerer = self._service.answerers.get(model)
            drafted.add_metric([model], answerer.engine.drafted if answerer else 0)
            accepted.add_metric([model], answerer.engine.accepted if answerer else 0)
        yield drafted
        yield accepted


class Telemetry:
    """The metrics of one application, on a registry of their own."""

    def __init__(self, service: Service, max_running: int) -> None:
        self.registry = CollectorRegistry()
        self._service = service
        self._max_running = max_running
        self._describe_process()
        self._requests = Counter(
            "medqa_requests",
            "Requests that are over.",
            ["route", "status", "model", "finish_reason"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "medqa_request_seconds",
            "Time from a request to the last byte of its response.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._first_token_seconds = self._histogram(
            "medqa_time_to_first_token_seconds",
            "Time from a question to the first token of its answer, waiting included.",
            _SECONDS,
        )
        self._token_seconds = self._histogram(
            "medqa_time_per_output_token_seconds",
            "Mean time between an answer's tokens after the first.",
            _TOKEN_SECONDS,
        )
        self._queue_seconds = self._histogram(
            "medqa_queue_seconds", "Time that a question waited for a place in the batch.", _SECONDS
        )
        self._batch_size = self._histogram(
            "medqa_batch_size", "Answers in the batch when an answer got its first token.", _BATCH
        )
        self._prompt_tokens = self._counter("medqa_prompt_tokens", "Tokens of prompts read.")
        self._completion_tokens = self._counter(
            "medqa_completion_tokens", "Tokens made, those of answers left unfinished included."
        )
        self._answers = Counter(
            "medqa_answers", "Finished answers.", ["model", "finish_reason"], registry=self.registry
        )
        self._ended = self._counter(
            "medqa_answers_ended", "Finished answers that the model ended by itself."
        )
        self._repeating = self._counter(
            "medqa_answers_repeating",
            f"Finished answers of whose word 4-grams at least {REPEATING:.0%} are repeated.",
        )
        self._load_seconds = Gauge(
            "medqa_model_load_seconds",
            "Time that loading the model took.",
            ["model"],
            registry=self.registry,
        )

    def loading(self, model: ModelName) -> AbstractContextManager[Any]:
        """Return a context that measures how long a model takes to load."""
        return self._load_seconds.labels(model).time()

    def observe(self, record: RequestRecord) -> None:
        """Count a request that is over, and the answers that were made for it."""
        self._requests.labels(record.route, record.status, record.model, record.finish_reason).inc()
        self._request_seconds.labels(record.route).observe(record.seconds)
        for attempt in record.attempts:
            self._observe_attempt(attempt)
            if attempt.answer:
                self._observe_answer(attempt.answer)

    def _observe_attempt(self, attempt: Attempt) -> None:
        if attempt.first_token_seconds is None:
            return
        model = attempt.model
        self._prompt_tokens.labels(model).inc(attempt.prompt_tokens)
        self._completion_tokens.labels(model).inc(attempt.completion_tokens)
        self._queue_seconds.labels(model).observe(attempt.queue_seconds)
        self._first_token_seconds.labels(model).observe(attempt.first_token_seconds)
        self._batch_size.labels(model).observe(min(attempt.in_flight, self._max_running))

    def _observe_answer(self, answer: Answer) -> None:
        model = answer.model
        self._answers.labels(model, answer.finish_reason).inc()
        self._ended.labels(model).inc(answer.finish_reason == "end")
        self._repeating.labels(model).inc(repeated_share(answer.text) >= REPEATING)
        if answer.completion_tokens > 1:
            seconds = answer.total_seconds - answer.first_token_seconds
            self._token_seconds.labels(model).observe(seconds / (answer.completion_tokens - 1))

    def _running(self, model: ModelName) -> int:
        return min(self._in_flight(model), self._max_running)

    def _waiting(self, model: ModelName) -> int:
        return max(self._in_flight(model) - self._max_running, 0)

    def _in_flight(self, model: ModelName) -> int:
        """Return the requests that a model has now; 0 until it is loaded."""
        answerer = self._service.answerers.get(model)
        return answerer.engine.in_flight if answerer else 0

    def _memory_bytes(self, model: ModelName) -> int:
        """Return what a model's process holds; 0 until it is loaded, and once it is gone."""
        answerer = self._service.answerers.get(model)
        try:
            process = psutil.Process(answerer.engine.process_id) if answerer else None
            return process.memory_info().rss if process else 0
        except psutil.Error:
            return 0

    def _describe_process(self) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        sources = {
            model.replace("-", "_"): public_name(source.name)
            for model, source in self._service.sources.items()
        }
        Info("medqa", "What is served.", registry=self.registry).info(
            {"version": __version__} | libraries() | sources
        )
        running = self._gauge("medqa_running", "Answers being made.")
        waiting = self._gauge("medqa_waiting", "Questions waiting for a place in the batch.")
        memory = self._gauge(
            "medqa_model_resident_memory_bytes", "Memory of the process that the model runs in."
        )
        self.registry.register(_Guesses(self._service))
        for model in _MODELS:
            running.labels(model).set_function(partial(self._running, model))
            waiting.labels(model).set_function(partial(self._waiting, model))
            memory.labels(model).set_function(partial(self._memory_bytes, model))

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, ["model"], registry=self.registry)

    def _counter(self, name: str, documentation: str) -> Counter:
        """Return a counter that shows 0 for each model from the start: a rate needs a beginning."""
        counter = Counter(name, documentation, ["model"], registry=self.registry)
        for model in _MODELS:
            counter.labels(model)
        return counter

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
        histogram = Histogram(
            name, documentation, ["model"], buckets=buckets, registry=self.registry
        )
        for model in _MODELS:
            histogram.labels(model)
        return histogram
