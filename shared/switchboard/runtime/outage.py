"""The one word for "a server that we need is away"."""

from __future__ import annotations


class Outage(Exception):
    """A server that we need does not answer, or broke off. Nobody's fault here: HTTP answers 503, consumers wait."""

    retry_after: float = 2.0  # seconds
