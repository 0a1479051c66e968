"""A plain python-socketio server with its Redis manager: `plain_server.py PORT REDIS`."""

import sys

import socketio
import uvloop
from aiohttp import web

port, redis = int(sys.argv[1]), sys.argv[2]
server = socketio.AsyncServer(async_mode="aiohttp", client_manager=socketio.AsyncRedisManager(redis))


@server.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: dict[str, str]) -> None:
    room = environ["QUERY_STRING"].partition("room=")[2].partition("&")[0]
    await server.enter_room(sid, "all")
    await server.enter_room(sid, room)


async def emit(request: web.Request) -> web.Response:
    """Emit `[[room, payload], ...]` one after the other."""
    for room, payload in await request.json():
        await server.emit("conversation.read", payload, room=room)
    return web.Response()


app = web.Application(client_max_size=100_000_000)
server.attach(app)
app.router.add_post("/emit", emit)
web.run_app(app, host="127.0.0.1", port=port, print=None, loop=uvloop.new_event_loop(), access_log=None)
