"""Create and drop virtual hosts of the broker: a fresh one takes about 20 ms over the management interface."""

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4


class VirtualHosts:
    """Creates and drops virtual hosts over the broker's management interface."""

    def __init__(self, management_url: str, amqp_url: str) -> None:
        parts = urlsplit(management_url)
        self._base = f"{parts.scheme}://{parts.hostname}:{parts.port}/api"
        credentials = f"{parts.username}:{parts.password}".encode()
        self._authorization = f"Basic {base64.b64encode(credentials).decode()}"
        self._amqp_url = amqp_url

    def fresh(self) -> str:
        """Create a virtual host and return its name; its creator has all permissions on it."""
        name = f"test-{uuid4().hex[:12]}"
        self.ask("PUT", f"/vhosts/{name}")
        return name

    def url(self, name: str) -> str:
        return urlsplit(self._amqp_url)._replace(path=f"/{quote(name, safe='')}").geturl()

    def drop(self, name: str) -> None:
        self.ask("DELETE", f"/vhosts/{name}")

    def purge(self, name: str) -> None:
        """Empty all its queues, after the connections of the previous test are closed."""
        deadline = time.monotonic() + 20
        while True:
            try:
                if not any(connection["vhost"] == name for connection in self.ask("GET", "/connections?columns=vhost")):
                    for queue in self.ask("GET", f"/queues/{name}?columns=name"):
                        self.ask("DELETE", f"/queues/{name}/{quote(queue['name'], safe='')}/contents")
                    return
            except urllib.error.HTTPError as error:
                if error.code < 500:  # 500: a connection or a queue changed meanwhile
                    raise
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is still in use by another test")
            time.sleep(0.02)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request to the management interface, such as GET `/queues/{vhost}` or `/connections`."""
        request = urllib.request.Request(self._base + path, method=method)
        request.add_header("Authorization", self._authorization)
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode() if body is not None else None
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404 and method == "DELETE":
                return None
            raise
        return json.loads(content) if content else None
