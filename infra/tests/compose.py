"""The stack of docker-compose.yml on a real Docker, for tests."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from typing import Any

from switchboard.local.stack_directory import REPOSITORY

HEALTHY_WITHIN = 300.0
BUILT_WITHIN = 1200.0
PHONE = "+14155550100"


class Compose:
    """A Compose project on free ports."""

    def __init__(self, command: list[str], ports: list[int]) -> None:
        self.gateways = [f"http://127.0.0.1:{port}" for port in ports]
        self._command = [*command, "-p", f"switchboard-test-{os.getpid()}"]
        self._environment = dict(os.environ, SWITCHBOARD_PORT=str(ports[0]), SWITCHBOARD_PORT_2=str(ports[1]))

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._command, *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=self._environment,
            timeout=BUILT_WITHIN,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def containers(self, service: str) -> list[str]:
        return self.run("ps", "-q", service).split()

    def instances(self, service: str) -> list[dict[str, Any]]:
        """The instances of a service as the first gateway reports them."""
        with urllib.request.urlopen(f"{self.gateways[0]}/health", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["services"][service]
        return found

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN
        while not all(self._is_healthy(gateway) for gateway in self.gateways):
            assert time.monotonic() < deadline, self.run("ps")
            time.sleep(1)

    def _is_healthy(self, gateway: str) -> bool:
        try:
            with urllib.request.urlopen(f"{gateway}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def compose_command() -> list[str] | None:
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        return None
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()
