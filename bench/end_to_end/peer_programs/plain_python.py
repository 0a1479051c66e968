"""A plain Python team's design: FastAPI, asyncpg, a row for each message, python-socketio with its Redis manager."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import socketio
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

pool: asyncpg.Pool


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global pool  # noqa: PLW0603
    pool = await asyncpg.create_pool(os.environ["POSTGRES"], min_size=5, max_size=20)
    yield
    await pool.close()


api = FastAPI(lifespan=lifespan)
sockets = socketio.AsyncServer(
    async_mode="asgi",
    transports=["websocket"],
    client_manager=socketio.AsyncRedisManager(os.environ["REDIS"]),
)
app = socketio.ASGIApp(sockets, api)


class Login(BaseModel):
    user_id: int


class NewMessage(BaseModel):
    content: str


@api.post("/login")
async def login(body: Login) -> dict[str, Any]:
    token = secrets.token_urlsafe(24)
    await pool.execute("insert into sessions (token, user_id) values ($1, $2)", token, body.user_id)
    return {"token": token}


async def user_of(authorization: str | None) -> int:
    token = (authorization or "").removeprefix("Bearer ")
    user_id: int | None = await pool.fetchval("select user_id from sessions where token = $1", token)
    if user_id is None:
        raise HTTPException(401)
    return user_id


@api.post("/conversations/{phone}/messages", status_code=201)
async def append(phone: str, body: NewMessage, authorization: str | None = Header(None)) -> dict[str, Any]:
    user_id = await user_of(authorization)
    at = datetime.now(UTC)
    id_ = await pool.fetchval(
        "insert into messages (user_id, phone, content, created_at) values ($1, $2, $3, $4) returning id",
        user_id,
        phone,
        body.content,
        at,
    )
    message = {"id": id_, "content": body.content, "timestamp": at.isoformat()}
    await sockets.emit("message", {"phone": phone, "message": message}, room=f"user:{user_id}")
    return message


@sockets.event
async def connect(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
    try:
        user_id = await user_of(auth["token"])
    except HTTPException as error:
        raise socketio.exceptions.ConnectionRefusedError("unauthenticated") from error
    await sockets.enter_room(sid, f"user:{user_id}")
