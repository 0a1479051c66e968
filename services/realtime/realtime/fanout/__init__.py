"""Room fan-out on one instance: every instance tails the logs itself and pushes each entry to its members.

`Rooms` holds the members, `Dispatcher` pushes live entries to them, `CatchUp` first sends a client that reconnects the
entries that it missed.
"""

from realtime.fanout.catch_up import CatchUp
from realtime.fanout.dispatcher import Dispatcher

__all__ = ["CatchUp", "Dispatcher"]
