"""The peers: two instances behind nginx, with a Postgres (fsync on) and a Redis of their own."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.end_to_end.generator import BUILD, Account, phone_of
from switchboard.local.ports import Ports
from switchboard.local.postgres import Postgres
from switchboard.local.redis import Redis
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

PEERS = Path(__file__).with_name("peer_programs")
SCHEMA = """
create table if not exists session (sid varchar primary key, sess json not null, expire timestamp(6) not null);
create table if not exists conversations (
    user_id bigint, phone text, messages jsonb not null, updated_at timestamptz default now(),
    primary key (user_id, phone));
create table if not exists sessions (token text primary key, user_id bigint not null);
create table if not exists messages (
    id bigint generated always as identity primary key, user_id bigint not null, phone text not null,
    content text not null, created_at timestamptz not null);
create index if not exists messages_of on messages (user_id, phone, id);
"""
LENGTHEN = """
update conversations set messages = (
    select jsonb_agg(jsonb_build_object('role', 'user', 'content', repeat('x', 200), 'timestamp', now()))
    from generate_series(1, {length})) where phone = '{phone}';
insert into messages (user_id, phone, content, created_at)
select user_id, phone, repeat('x', 200), now()
from (select distinct user_id, phone from messages where phone = '{phone}') c, generate_series(1, {length});
analyze;
"""
NGINX = """
daemon off; worker_processes 2; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  upstream service {{
    server 127.0.0.1:{first}; server 127.0.0.1:{second}; keepalive 256; keepalive_requests 1000000; }}
  map $http_upgrade $connection_header {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_header;
      proxy_set_header Host $host;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class RunningPeer:
    signed_in: list[Account]
    postgres: str
    roots: list[psutil.Process]
    kinds = ("note",)

    def accounts(self, kind: str) -> list[Account]:
        return self.signed_in

    def processes(self) -> Iterator[psutil.Process]:
        for root in self.roots:
            yield root
            yield from root.children(recursive=True)

    def settle(self) -> None:
        """A peer does everything before it answers."""

    def lengthen(self, conversation: int, length: int) -> None:
        script = LENGTHEN.format(phone=phone_of(conversation), length=length)
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", self.postgres, "-c", script], check=True)


@dataclass(frozen=True)
class Peer:
    """`command`: of an instance, from its port and the URLs of Postgres and Redis. `sign_in`: returns a user's headers
    and the packet that connects its socket.
    """

    name: str
    command: Callable[[int, str, str], tuple[list[str], dict[str, str]]]
    sign_in: Callable[[str, int], tuple[list[str], str]]

    @contextmanager
    def running(self, users: int, tenants: int) -> Iterator[RunningPeer]:
        """Tenants make no difference here."""
        stack_dir = StackDirectory(BUILD / self.name)
        stack_dir.create()
        ports, secrets = Ports.of(stack_dir.root), Secrets.of(stack_dir.secrets)
        postgres, redis = Postgres(stack_dir, ports, secrets), Redis(stack_dir, ports, secrets)
        postgres.prepare()
        redis.prepare()
        with ExitStack() as stack:

            def start(command: list[Any], environment: dict[str, str] | None = None, log: str = "") -> psutil.Process:
                output = stack.enter_context((stack_dir.log(log or Path(str(command[0])).name)).open("ab"))
                process = subprocess.Popen(
                    [str(word) for word in command], env=os.environ | (environment or {}), stdout=output, stderr=output
                )
                stack.callback(_end, process)
                return psutil.Process(process.pid)

            roots = [start(list(server.program().command)) for server in (postgres, redis)]
            _prepare_database(postgres.url)
            first, second, port = (ports.get(name) for name in ("first", "second", "nginx"))
            for instance in (first, second):
                command, environment = self.command(instance, postgres.url, redis.url)
                roots.append(start(command, environment, f"instance-{instance}"))
            config = stack_dir.config("nginx.conf")
            config.write_text(NGINX.format(directory=stack_dir.root, first=first, second=second, port=port))
            roots.append(start([shutil.which("nginx") or "/usr/sbin/nginx", "-c", config, "-e", "stderr"]))
            for instance in (first, second, port):
                _wait_for(f"http://127.0.0.1:{instance}/")
            yield RunningPeer([self._account(port, n) for n in range(users)], postgres.url, roots)

    def _account(self, port: int, number: int) -> Account:
        headers, hello = self.sign_in(f"http://127.0.0.1:{port}/login", number)
        path = "/socket.io/?EIO=4&transport=websocket"
        return Account(
            "127.0.0.1", port, "/conversations/", "/messages", headers, '{"content":"', '"}', port, path, hello
        )


def _original(port: int, postgres: str, redis: str) -> tuple[list[str], dict[str, str]]:
    if not (PEERS / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=PEERS, check=True)
    return ["node", str(PEERS / "original.js"), str(port), postgres, redis], {"NODE_ENV": "production"}


def _sign_in_to_original(url: str, number: int) -> tuple[list[str], str]:
    cookie = _login(url, number)[0]["Set-Cookie"].partition(";")[0]
    return [f"Cookie: {cookie}"], "40"


def _plain(port: int, postgres: str, redis: str) -> tuple[list[str], dict[str, str]]:
    environment = BUILD / "plain-python-packages"
    if not (environment / "installed").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", str(environment)], check=True)
        python, pinned = str(environment / "bin" / "python"), str(PEERS / "requirements.txt")
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, "-r", pinned], check=True)
        (environment / "installed").touch()
    options = ["--port", str(port), "--log-level", "warning", "--no-access-log", "--app-dir", str(PEERS)]
    uvicorn = [str(environment / "bin" / "uvicorn"), "plain_python:app", *options, "--timeout-keep-alive", "75"]
    return uvicorn, {"POSTGRES": postgres, "REDIS": redis}


def _sign_in_to_plain(url: str, number: int) -> tuple[list[str], str]:
    token = _login(url, number)[1]["token"]
    return [f"Authorization: Bearer {token}"], f'40{{"token":"{token}"}}'


ORIGINAL = Peer("original", _original, _sign_in_to_original)
PLAIN = Peer("plain-python", _plain, _sign_in_to_plain)


def _login(url: str, number: int) -> tuple[Any, dict[str, Any]]:
    body = json.dumps({"user_id": number + 1}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers, json.load(answer)


def _prepare_database(url: str) -> None:
    for _ in range(100):
        if subprocess.run(["psql", "-q", url, "-c", SCHEMA], check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("Postgres does not answer")


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError as error:
            if error.code not in (502, 503, 504):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
