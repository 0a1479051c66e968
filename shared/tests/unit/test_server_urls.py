from pathlib import Path

import pytest

from switchboard.runtime.server_urls import host_of, missing_file, name_of_primary, urls_of_hosts


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://host/x", ["amqp://host/x"]),
        ("amqp://a:b@one:1,two:2/x?y=z", ["amqp://a:b@one:1/x?y=z", "amqp://a:b@two:2/x?y=z"]),
        ("amqp://a@one/x,amqps://b@two/y", ["amqp://a@one/x", "amqps://b@two/y"]),
        ("postgresql://a:b,c@one,[::1]:2/x", ["postgresql://a:b,c@one/x", "postgresql://a:b,c@[::1]:2/x"]),
        ("postgresql://a:b@/x?host=/run", ["postgresql://a:b@/x?host=/run"]),
        ("nothing", ["nothing"]),
    ],
)
def test_a_url_for_each_host(url: str, expected: list[str]) -> None:
    assert urls_of_hosts(url) == expected


def test_a_host_is_shown_without_its_password() -> None:
    assert host_of("postgresql://anna:secret@db:5432/x") == "db:5432"
    assert host_of("postgresql:///x?host=/run") == "a local socket"


def test_the_primary_is_named_by_the_path() -> None:
    assert name_of_primary("redis+sentinel://:b@one:1,two:2/cache/3") == ("cache", 3)
    assert name_of_primary("redis+sentinel://one/cache") == ("cache", 0)
    with pytest.raises(ValueError):
        name_of_primary("redis+sentinel://one,two/")


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    there = tmp_path / "ca.pem"
    there.touch()

    assert missing_file(f"rediss://host/0?ssl_ca_certs={there}") is None
    assert missing_file(f"postgresql://host/x?sslrootcert={there}&sslkey={there}.no") == "sslkey"
