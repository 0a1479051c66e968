"""The listening socket of a process, and the application that answers until the service has opened."""

import errno
import os
import socket

from aiohttp import web

from switchboard.http.health_routes import add_health_routes
from switchboard.http.middleware import REQUEST_ID_KEY, announce_close, request_middleware, response_headers
from switchboard.http.problems import Starting, problem
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

BACKLOG = 1024


class PortTaken(Exception):
    """The port cannot be opened. The text names it and the reason."""


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises `PortTaken`."""
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
    """Answers 503 `starting` and closes each connection, so that clients reconnect to the service."""
    app = web.Application(middlewares=[request_middleware(Metrics())])
    app.on_response_prepare.append(response_headers(None))
    app.on_response_prepare.append(announce_close)

    async def starting(request: web.Request) -> web.Response:
        return problem(Starting(), request[REQUEST_ID_KEY])

    add_health_routes(app, health)
    app.router.add_route("*", "/{path:(?s:.*)}", starting)
    return app
