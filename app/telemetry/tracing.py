"""OpenTelemetry traces: FastAPI's own span for each request, and a span for each answer in it.

Needs the extra `otel`. Spans name models and count tokens; none holds a question or an answer.
"""

import time

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

from app import __version__
from app.answering.answer import Attempt
from app.middleware.route_policy import route_path
from app.telemetry.request_records import RequestRecord, route_template

OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Without it FastAPI would log exceptions, messages included, to any provider it finds."""

_PROBES = ("/healthz", "/readyz", "/metrics")


class Tracing:
    """Sends spans to an OTLP/HTTP collector, from batches made in a thread of its own."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": "medqa", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("medqa", __version__)
        self.config: TelemetryConfig = {
            **OFF,
            "tracing": True,
            "tracer_provider": self._provider,
            "operation_spans": False,
            "exclude": _untraced,
        }

    def observe(self, record: RequestRecord) -> None:
        """Add a span for each answer made for a request; the names are OpenTelemetry's for LLMs."""
        for attempt in record.attempts:
            self._trace(attempt)

    def _trace(self, attempt: Attempt) -> None:
        answer = attempt.answer
        ended_at = attempt.asked_at + answer.total_seconds if answer else time.time()
        attributes: dict[str, str | int | list[str]] = {
            "gen_ai.operation.name": "text_completion",
            "gen_ai.request.model": attempt.model,
            "gen_ai.usage.input_tokens": attempt.prompt_tokens,
            "gen_ai.usage.output_tokens": attempt.completion_tokens,
        }
        if answer:
            attributes["gen_ai.response.finish_reasons"] = [answer.finish_reason]
        if attempt.error:
            attributes["error.type"] = type(attempt.error).__name__
        span = self._tracer.start_span(
            f"text_completion {attempt.model}",
            attributes=attributes,
            start_time=_nanoseconds(attempt.asked_at),
        )
        span.end(_nanoseconds(ended_at))

    def stop(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _untraced(scope: Scope) -> bool:
    """Whether a request gets no span: a probe, or one whose URL may hold a question.

    FastAPI's spans hold the URL. None of our routes but the search takes a query, and a path that
    is no route's own, or has a part left open, is whatever somebody typed.
    """
    return (
        str(scope.get("path")).endswith(_PROBES)
        or bool(scope.get("query_string"))
        or route_template(scope) != route_path(scope)
    )


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
