"""Export of spans by OTLP, from a separate process to a real receiver."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE = "0af7651916cd43dd8448eb211c80319c"
PROGRAM = f"""
import sys
from switchboard.runtime.tracing import continue_trace, span, tracing
with tracing("demo", "demo-1", sys.argv[1]):
    with continue_trace("00-{TRACE}-b7ad6b7169203331-01"), span("outer"), span("inner"):
        pass
"""


class Receiver(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiving)
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []


class _Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


def test_spans_are_exported_before_the_process_ends(receiver: Receiver) -> None:
    endpoint = f"http://127.0.0.1:{receiver.server_port}"

    subprocess.run([sys.executable, "-c", PROGRAM, endpoint], check=True, timeout=30)

    [(path, request)] = receiver.received
    [resource] = request.resource_spans
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    assert path == "/v1/traces"
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "demo"
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert spans["outer"].parent_span_id.hex() == "b7ad6b7169203331"
    assert spans["inner"].parent_span_id == spans["outer"].span_id


WAY = """
import sys
from datetime import UTC, datetime
from uuid import uuid4
from switchboard.contracts.envelope import Envelope
from switchboard.runtime.message_log import log_encoded_messages, log_messages
from switchboard.runtime.tracing import EdgeSpan, current_traceparent, span, tracing
with tracing("demo", "demo-1", sys.argv[1]):
    edge = EdgeSpan("edge", None)
    with span("request", parent=edge.traceparent):
        event = Envelope(uuid4(), "demo", "t", "s", datetime.now(UTC), {}, traceparent=current_traceparent())
    log_messages("committed", [event])
    log_encoded_messages("published", [event.encode()])
    edge.end()
"""


def test_the_steps_of_a_message_are_spans_of_its_request(receiver: Receiver) -> None:
    endpoint = f"http://127.0.0.1:{receiver.server_port}"

    subprocess.run([sys.executable, "-c", WAY, endpoint], check=True, timeout=30)

    [(_, request)] = receiver.received
    spans = {span.name: span for scope in request.resource_spans[0].scope_spans for span in scope.spans}
    assert set(spans) == {"edge", "request", "committed", "published"}
    assert len({span.trace_id for span in spans.values()}) == 1
    assert spans["request"].parent_span_id == spans["edge"].span_id
    assert spans["committed"].parent_span_id == spans["published"].parent_span_id == spans["request"].span_id


def test_the_sdk_is_not_imported_without_an_endpoint() -> None:
    program = "import sys, switchboard.process.main; assert 'opentelemetry.sdk' not in sys.modules"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
