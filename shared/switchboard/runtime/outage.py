"""The words for "a server that we need is away", and for "it is there, but this work was in another's way"."""

from __future__ import annotations


class Outage(Exception):
    """A server that we need does not answer, or broke off. Nobody's fault here: HTTP answers 503, consumers wait."""

    retry_after: float = 2.0  # seconds


class Contended(Outage):
    """The server answers, but not to this work: it met another's lock, or took too long. Others may go on.

    Who waits for a server treats it as any outage; a consumer, which would wait for ever, as its message's failure.
    """
