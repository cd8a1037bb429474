"""A span for each request of the API, if traces are on."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from fedface_core.runtime.traces import tracer_provider

UNTRACED: Final = "healthz,readyz,metrics"
"""What is asked for every few seconds."""


def trace_requests(app: FastAPI) -> None:
    """Have each request to ``app`` be a span. Nothing while traces are off."""
    provider = tracer_provider()
    if provider is None:
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=provider, excluded_urls=UNTRACED, exclude_spans=["receive", "send"]
    )
