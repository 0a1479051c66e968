"""A client of one files instance on a real database, broker and store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import boto3
from aiohttp.test_utils import TestServer
from botocore.config import Config
from joserfc.jwk import OKPKey

from files.actions.deps import FileDeps
from files.adapters.bucket import Bucket, open_bucket
from files.app import open_app
from files.settings import Settings
from switchboard.contracts.message import Command
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.http.identity_keys import FixedKeys
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.background import LOOPS, Stop, run_loops

TENANT = UUID(int=1)
ANNA = Identity(UUID(int=11), TENANT, Role.AGENT, UUID(int=111))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))
KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "test"})
LEAD = {"entity_type": "lead", "entity_id": "42"}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200)


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class FilesClient:
    """Calls the instance over HTTP, and looks at its database and its bucket."""

    url: str
    settings: Settings
    http: aiohttp.ClientSession
    database: Database
    bucket: Bucket
    signer: IdentitySigner

    @property
    def deps(self) -> FileDeps:
        return FileDeps.of(self.settings, self.database, self.bucket)

    def headers(self, caller: Identity) -> dict[str, str]:
        return {IDENTITY_HEADER: self.signer.sign(caller, "files")}

    async def call(
        self,
        caller: Identity | None,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        forwarded: dict[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """One request as `caller`, below `/api/v1`. `forwarded`: headers that the gateway adds."""
        headers = {**({} if caller is None else self.headers(caller)), **(forwarded or {})}
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self.url}/api/v1{path}"
        async with self.http.request(
            method, url, json=body, headers=headers, allow_redirects=False, **options
        ) as answer:
            content = await answer.json(content_type=None) if await answer.read() else None
            return Answer(answer.status, content, dict(answer.headers))

    async def upload(
        self, content: Any, name: str = "offer.pdf", *, caller: Identity = ANNA, key: str | None = None, **fields: str
    ) -> Answer:
        """Upload a form with this file. `content`: bytes, or an iterator of unknown length."""
        form = aiohttp.FormData(quote_fields=False)
        for field, value in {**LEAD, **fields}.items():
            form.add_field(field, value)
        form.add_field("file", content, filename=name, content_type="application/x-whatever")
        return await self.call(caller, "POST", "/files", data=form, key=key)

    async def stream(self, chunks: AsyncIterator[bytes], length: int | None, name: str = "offer.bin") -> Answer:
        """Upload a form with a file that arrives in chunks. `length`: of the file, if the request declares one."""
        head, tail = form_around(name)
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        if length is not None:
            headers["Content-Length"] = str(len(head) + length + len(tail))

        async def body() -> AsyncIterator[bytes]:
            yield head
            async for chunk in chunks:
                yield chunk
            yield tail

        async with self.http.post(
            f"{self.url}/api/v1/files", data=body(), headers={**self.headers(ANNA), **headers}
        ) as answer:
            return Answer(answer.status, await answer.json(content_type=None), dict(answer.headers))

    async def metrics(self) -> str:
        async with self.http.get(f"{self.url}/metrics") as answer:
            return await answer.text()

    async def command(self, command: Command) -> None:
        """Publish a command as the scheduler does."""
        async with open_work(self.database, tenant_id=None) as work:
            await work.publish(command)

    async def download(self, url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        async with self.http.get(url, headers=headers) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def put(self, announced: Answer, content: bytes, **headers: str) -> int:
        """Put the bytes of a direct upload as a browser does."""
        async with self.http.put(
            announced.body["url"], data=content, headers={**announced.body["headers"], **headers}
        ) as answer:
            return answer.status

    async def announce(self, *, forwarded: dict[str, str] | None = None, **changes: Any) -> Answer:
        """Announce a direct upload of `PNG`, or of what `changes` say."""
        wanted = {"name": "a.png", "size": len(PNG), "content_type": "image/png", **LEAD, **changes}
        return await self.call(ANNA, "POST", "/files/uploads", wanted, forwarded=forwarded)

    async def objects(self) -> list[str]:
        """All keys in the bucket, those of unfinished multipart uploads too."""
        s3 = boto_client(self.settings)
        found = await asyncio.to_thread(s3.list_objects_v2, Bucket=self.settings.s3_bucket)
        parts = await asyncio.to_thread(s3.list_multipart_uploads, Bucket=self.settings.s3_bucket)
        return [o["Key"] for o in found.get("Contents", [])] + [u["Key"] for u in parts.get("Uploads", [])]

    async def rows(self) -> list[dict[str, Any]]:
        async with self.database.connection() as conn:
            return [dict(row) for row in await conn.fetch("select * from files order by id")]

    async def execute(self, sql: str, *values: Any) -> None:
        async with self.database.connection() as conn:
            await conn.execute(sql, *values)


def boto_client(settings: Settings) -> Any:
    """A second S3 client that looks at the bucket."""
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )


@asynccontextmanager
async def open_client(
    database_url: str, store: dict[str, str], *, amqp_url: str | None = None, **chosen: Any
) -> AsyncIterator[FilesClient]:
    """An instance and its client. The instance runs its loops if it has a broker."""
    settings = Settings.model_validate(
        {
            "app_instance_id": "files-1",
            "port": 0,
            "database_url": database_url,
            "amqp_url": amqp_url or "amqp://127.0.0.1:9",
            "auth_urls": ("http://127.0.0.1:9",),
            **{name.lower(): value for name, value in store.items()},
            **chosen,
        }
    )
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app(settings, keys=FixedKeys([KEY])))
        server = await stack.enter_async_context(TestServer(app.http))
        stop = Stop()
        loops = [*app.loops, *app.http.get(LOOPS, ())] if amqp_url else []
        running = asyncio.create_task(run_loops(loops, stop))
        http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        database = await stack.enter_async_context(open_database(database_url, application="test"))
        bucket = await stack.enter_async_context(open_bucket(settings))
        yield FilesClient(str(server.make_url("")).rstrip("/"), settings, http, database, bucket, IdentitySigner(KEY))
        stop.set()
        await running


def form_around(name: str) -> tuple[bytes, bytes]:
    """The parts of a form before and after the file's bytes. The boundary is `b`."""
    fields = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n' for field, value in LEAD.items()
    )
    head = f'{fields}--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode(), b"\r\n--b--\r\n"


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def noise(size: int) -> bytes:
    """Bytes that differ each time."""
    block = uuid4().bytes * 64
    return (block * (size // len(block) + 1))[:size]


async def trickle(content: bytes, step: int = 256 * 1024) -> AsyncIterator[bytes]:
    """The same bytes in chunks, without their length."""
    for at in range(0, len(content), step):
        yield content[at : at + step]
