"""Errors for a server that is unavailable, and for work that failed because of contention on an available server."""

import errno
import socket

UNREACHABLE_ERRNOS = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT}


class Unavailable(Exception):
    """A server that we need does not answer, or closed the connection. HTTP answers 503; consumers wait and retry."""

    retry_after: float = 2.0  # seconds


class Contended(Unavailable):
    """The server is available, but it ended this work because of a lock, a deadlock or a time limit.

    Code that waits for a server treats it as unavailable. A consumer, which would wait for ever, counts it as a failed
    attempt of its message.
    """


def is_unavailable(error: BaseException) -> bool:
    """Whether an error at the start means an unavailable server, so that waiting for it makes sense."""
    if isinstance(error, (Unavailable, ConnectionError, TimeoutError, socket.gaierror)):
        return True
    return isinstance(error, OSError) and error.errno in UNREACHABLE_ERRNOS
