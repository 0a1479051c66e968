"""The HTTP API of realtime."""

from realtime.api.events import Events
from realtime.fanout import CatchUp
from switchboard.http import Route


def routes(catch_up: CatchUp) -> list[Route]:
    """The route table."""
    return Events(catch_up).routes()
