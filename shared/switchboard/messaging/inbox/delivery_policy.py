"""The delivery policy: what happens to a message that arrives. It is stated here and nowhere else.

A message is handled in one transaction with its inbox row (subscription, event id): a message that has a row already is
skipped. The handler's rows, its outgoing messages and the inbox row commit together; the acknowledgement follows the
commit. Waiting messages share one transaction. When it fails they are handled one by one.

- A server of ours is unavailable (`Unavailable`): the consumer lets its messages return to the queue, and resumes when
  a probe succeeds. This never counts as an attempt of a message. A server that is available but ends the message's
  transaction, for a lock or a time limit (`Contended`), is not unavailable: see "any other error".
- The message can't be decoded, or the handler refuses it (`Refusal`): dead-lettered at once.
- The type is not handled here (`Unhandled`): a newer release may handle it. It is retried like any other error, and in
  an ordered subscription it is handed over to a waiting instance each time.
- Any other error: retried with growing pauses. In an ordered subscription in place, for at most 30 seconds, while only
  its partition waits; in an unordered one through the delay queues. Then dead-lettered.

A dead letter lies in `<service>.<subscription>.dead`, with reason, handler and attempts in its headers. Later messages
of its subject go on. A side effect outside Postgres uses the message's id as its idempotency key, or checks the state
first.
"""

from pydantic import ValidationError

from switchboard.contracts.envelope import Unreadable
from switchboard.runtime.refusals import Refusal
from switchboard.runtime.unavailable import Contended, Unavailable


class Unhandled(Exception):
    """This release of the subscriber does not handle this type of message."""


def is_permanent(error: Exception) -> bool:
    """Whether a retry can't help."""
    return isinstance(error, (Unreadable, ValidationError, Refusal))


def means_unavailable(error: Exception) -> bool:
    """Whether a server is unavailable, so that the failure is not the message's."""
    return isinstance(error, Unavailable) and not isinstance(error, Contended)
