"""Export of spans by OTLP. Imported only when it is configured: the SDK takes half a second to load."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


@contextmanager
def export_spans(service: str, instance: str, endpoint: str) -> Iterator[None]:
    """Send spans to `{endpoint}/v1/traces` in the background, and flush them at the end of the block."""
    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5)))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
