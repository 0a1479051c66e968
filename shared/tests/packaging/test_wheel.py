"""The wheel of the library, built and installed: its dependencies, its files, and the subscriber of the guide."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from switchboard.contracts.auth import TenantTrialExpired
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import registered

pytestmark = pytest.mark.xdist_group("packaging")

REPOSITORY = Path(__file__).parents[3]
GUIDE = (REPOSITORY / "docs" / "subscribing.md").read_text()
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of `shared`, built from a copy, so that nothing is written into the tree."""
    source = tmp_path_factory.mktemp("source") / "shared"
    shutil.copytree(
        REPOSITORY / "shared", source, ignore=shutil.ignore_patterns("tests", "build", "__pycache__", "*.egg-info")
    )
    dist = tmp_path_factory.mktemp("dist")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(dist), str(source))
    [wheel] = dist.iterdir()
    return wheel


@pytest.fixture(scope="module")
def subscriber(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with aio-pika, pydantic and our wheel.

    pip resolves our wheel's dependencies without any index: it fails if they are more than the environment has.
    """
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    [packages] = environment.glob("lib/python*/site-packages")
    for found in {dist.name: dist for name in ("aio-pika", "pydantic") for dist in with_dependencies(name)}.values():
        copy_distribution(found, packages)
    run(*PIP, "--python", str(python), "install", "--no-index", "--find-links", str(wheel.parent), "switchboard")
    return python


def test_the_base_requires_pydantic_alone(wheel: Path) -> None:
    required = [Requirement(text) for text in metadata_of(wheel)["Requires-Dist"]]

    base = [requirement.name for requirement in required if requirement.marker is None]

    assert base == ["pydantic"]
    assert set(metadata_of(wheel)["Provides-Extra"]) == {"client", "platform", "local", "testing"}


def test_the_wheel_contains_all_schemas_and_the_type_marker(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {f"switchboard/contracts/schemas/{name}.json" for name in registered()} <= names
    assert "switchboard/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "build/"))]


def test_contracts_import_without_any_platform_package(subscriber: Path) -> None:
    program = (
        "import pkgutil, importlib, switchboard.contracts as contracts\n"
        "for module in pkgutil.iter_modules(contracts.__path__):\n"
        "    importlib.import_module('switchboard.contracts.' + module.name)\n"
        "from switchboard.contracts.compatibility import kept_schema\n"
        "assert kept_schema('tenant.trial_expired')\n"
    )

    run(str(subscriber), "-c", program)
    for name in ("orjson", "asyncpg", "uuid_utils", "structlog", "aiohttp"):
        assert subprocess.run([subscriber, "-c", f"import {name}"], capture_output=True).returncode == 1


async def test_the_subscriber_of_the_guide_parses_an_event(subscriber: Path, amqp_url: str) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert code is not None
    ends = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    event = TenantTrialExpired(tenant_id=uuid4(), name="Acme", status="expired", trial_ends_at=ends)
    envelope = Envelope(
        uuid4(), "auth", event.type, event.subject, ends + timedelta(seconds=1), event.model_dump(mode="json"),
        event.tenant_id,
    )  # fmt: skip
    connection = await aio_pika.connect(amqp_url)
    async with connection, asyncio.timeout(30):
        channel = await connection.channel()
        exchange = await channel.declare_exchange("switchboard.events", aio_pika.ExchangeType.TOPIC, durable=True)
        process = await asyncio.create_subprocess_exec(
            str(subscriber), "-c", code[1],
            env={"PATH": os.environ["PATH"], "AMQP_URL": amqp_url}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = asyncio.create_task(process.stdout.readline())
            while not line.done():  # until its queue is bound
                message = aio_pika.Message(envelope.encode())
                await exchange.publish(message, f"{event.type}.{event.tenant_id}.00", mandatory=False)
                await asyncio.wait({line}, timeout=0.2)
        finally:
            process.terminate()
            await process.wait()

    assert line.result().decode().split(maxsplit=3) == [
        str(envelope.id), "tenant.trial_expired", str(event.tenant_id), "2026-01-02 03:04:05+00:00\n",
    ]  # fmt: skip


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def metadata_of(wheel: Path) -> dict[str, list[str]]:
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    parsed = Parser().parsestr(archive.read(name).decode())
    return {key: parsed.get_all(key, []) for key in parsed}


def with_dependencies(name: str) -> Iterator[Distribution]:
    """An installed distribution and all that it requires, without extras."""
    pending, seen = [name], set[str]()
    while pending:
        found = distribution(pending.pop())
        if (key := canonicalize_name(found.name)) in seen:
            continue
        seen.add(key)
        yield found
        needed = map(Requirement, found.requires or ())
        pending += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


def copy_distribution(found: Distribution, packages: Path) -> None:
    """Install a distribution into another environment, by its own list of files."""
    for file in found.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(str(file.locate())).resolve())
