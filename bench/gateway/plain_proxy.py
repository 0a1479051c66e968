"""A simple proxy for comparison: aiohttp's server, a ClientSession behind it, and the same checks.

`python -m bench.gateway.plain_proxy PORT UPSTREAM REDIS_URL KEY_FILE`
"""

import hashlib
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import aiohttp
import orjson
import uvloop
from aiohttp import web
from redis.asyncio import Redis

from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.http.identity_keys import read_key_file, signing_key


def application(upstream: str, redis_url: str, key_file: str) -> web.Application:
    signer = IdentitySigner(signing_key(read_key_file(key_file)))
    redis = Redis.from_url(redis_url, max_connections=1000)
    app = web.Application()
    clients: list[aiohttp.ClientSession] = []

    async def client(_app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False) as session:
            clients.append(session)
            yield

    async def proxy(request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        session = orjson.loads(await redis.get(f"session:{hashlib.sha256(token.encode()).hexdigest()}") or b"{}")
        tenant = orjson.loads(await redis.get(f"tenant:{session['tenant_id']}") or b"{}")
        if tenant["status"] == "expired":
            return web.Response(status=402)
        identity = Identity(
            UUID(session["user_id"]), UUID(session["tenant_id"]), Role(session["role"]), UUID(session["session_id"])
        )
        headers = {IDENTITY_HEADER: signer.sign(identity, "scheduler", version=session["version"])}
        async with clients[0].request(
            request.method, upstream + request.path_qs, headers=headers, data=request.content
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            response.content_length = answer.content_length
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    app.cleanup_ctx.append(client)
    app.router.add_route("*", "/{path:.*}", proxy)
    return app


if __name__ == "__main__":
    port, *words = sys.argv[1:]
    uvloop.install()
    web.run_app(application(*words), host="127.0.0.1", port=int(port), access_log=None, print=None)
