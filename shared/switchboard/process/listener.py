"""The port of a process, open before anything else is."""

from __future__ import annotations

import errno
import os
import socket

from aiohttp import web

from switchboard.http.health_routes import add_health_routes
from switchboard.http.middleware import REQUEST_ID_KEY, edge, response_headers
from switchboard.http.problems import Starting, problem
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

BACKLOG = 1024


class PortTaken(Exception):
    """The port can't be had; the text names it and says why."""


def open_port(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `PortTaken`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortTaken(f"HOST {host}: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise PortTaken(f"port {port} on {host} {reason} (PORT)") from error
    return listening


def starting_app(health: Health) -> web.Application:
    """What answers until the application is there. No connection is kept, so that all go over to it."""
    app = web.Application(middlewares=[edge(Metrics())])
    app.on_response_prepare.append(response_headers(None))
    app.on_response_prepare.append(_close)

    async def starting(request: web.Request) -> web.Response:
        return problem(Starting(), request[REQUEST_ID_KEY])

    add_health_routes(app, health)
    app.router.add_route("*", "/{path:(?s:.*)}", starting)
    return app


async def _close(_request: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
