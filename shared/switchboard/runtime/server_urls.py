"""URLs of servers that may name several hosts, such as `postgresql://user:password@one:5432,two:5432/database`."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

_PARTS = re.compile(r"([a-z][a-z0-9+.-]*://)(?:([^/?#]*)@)?([^/?#@]*)(.*)", re.DOTALL)
_NEXT_URL = re.compile(r",(?=[a-z][a-z0-9+.-]*://)")

# The parameters by which clients are given certificates, by the server's client library.
CERTIFICATE_FILES = {
    *("sslrootcert", "sslcert", "sslkey", "sslcrl"),  # Postgres
    *("cafile", "certfile", "keyfile"),  # RabbitMQ
    *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"),  # Redis
}


def urls_of_hosts(url: str) -> list[str]:
    """One URL for each host, in their order. The hosts, or whole URLs, are separated by commas."""
    found: list[str] = []
    for part in _NEXT_URL.split(url):
        match = _PARTS.fullmatch(part)
        if match is None:
            return [url]
        scheme, credentials, hosts, rest = match.groups()
        at = "" if credentials is None else f"{credentials}@"
        found += [f"{scheme}{at}{host}{rest}" for host in hosts.split(",")]
    return found


def host_of(url: str) -> str:
    """The host and port of a URL, without the credentials: for logs and errors."""
    return urlsplit(url).netloc.rpartition("@")[2] or "a local socket"


def missing_file(url: str) -> str | None:
    """The first parameter that names a certificate or key which can't be read; None if all can."""
    for name, value in parse_qsl(urlsplit(urls_of_hosts(url)[0]).query):
        if name in CERTIFICATE_FILES and not _is_readable(Path(value).expanduser()):
            return name
    return None


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def name_of_primary(url: str) -> tuple[str, int]:
    """The name by which Sentinels know a primary, and the number of its logical database.

    They are the path of a URL such as `redis+sentinel://one:26379,two:26379/primary/0`.
    Raises ValueError without a name.
    """
    name, _, database = urlsplit(urls_of_hosts(url)[0]).path.strip("/").partition("/")
    if not name:
        raise ValueError("names no primary")
    return unquote(name), int(database or 0)
