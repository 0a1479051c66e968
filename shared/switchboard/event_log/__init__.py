"""The event log that clients read live and catch up from, in Redis: one script appends, whoever calls it.

Realtime appends every event that it gets from the bus; the service that stored an event may append it sooner, as a
hint. An event is appended once, whichever comes first: a numbered one by the last number of its subject, another one
by its id. A position is the time of the append in microseconds, or one more than the position before it.

This is a contract between services and between releases: instances of two releases append to the same keys. Whatever
changes their meaning gets a new prefix.

| key | what |
|---|---|
| `log2` | hash: `last` (position), `epoch` and `run` (of Redis), `most` and `keep` (bounds of a tenant's log) |
| `log2:batches` | stream of the last batches of all tenants; instances that missed a published one read it here |
| `log2:tenant:<tenant>` | stream of a tenant's entries (`room`, `rest`), for catch-up; its ids are `<position>-0` |
| `log2:subject:<tenant>:<subject>` | the subject's last number, then those that are missing before it |
| `log2:id:<event>` | marks an event without a number as appended |

Each batch is appended to the stream and published on the channel `log2:batches:<database>`, as lines:
`<position before the batch> <its last position>`, then for each entry `<tenant> <room> <position> <rest>`, where the
rest is `<type> <event id> <time> <traceparent> <data>`. Every key expires.
"""

from switchboard.event_log.batches import Batch, StoredEntry
from switchboard.event_log.entries import REVOCATIONS, TENANT_ROOM, LogEntry, entry_of, room_of, user_room
from switchboard.event_log.writer import EventLogWriter

__all__ = [
    "REVOCATIONS",
    "TENANT_ROOM",
    "Batch",
    "EventLogWriter",
    "LogEntry",
    "StoredEntry",
    "entry_of",
    "room_of",
    "user_room",
]
