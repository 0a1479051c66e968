"""The words for "a server that we need is away", and for "it is there, but this work was in another's way"."""

from __future__ import annotations

import errno
import socket

UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT}


class Unavailable(Exception):
    """A server that we need does not answer, or broke off. Nobody's fault here: HTTP answers 503, consumers wait."""

    retry_after: float = 2.0  # seconds


class Contended(Unavailable):
    """The server answers, but not to this work: it met another's lock, or took too long. Others may go on.

    Who waits for a server treats it as any outage; a consumer, which would wait for ever, as its message's failure.
    """


def is_unavailable(error: BaseException) -> bool:
    """Whether a start failed for a server that is away, so that waiting for it makes sense."""
    if isinstance(error, (Unavailable, ConnectionError, TimeoutError, socket.gaierror)):
        return True
    return isinstance(error, OSError) and error.errno in UNREACHABLE
