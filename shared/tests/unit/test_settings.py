from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from switchboard.runtime.settings import (
    BusSettings,
    DatabaseSettings,
    Duration,
    IdentitySettings,
    PublicUrl,
    RedisSettings,
    load,
)


class Settings(DatabaseSettings, BusSettings, RedisSettings, IdentitySettings):
    trial_duration: Duration = timedelta(days=14)


GOOD = {
    "PORT": "8001",
    "DATABASE_URL": "postgresql://anna:hunter2@db:5432/switchboard_demo",
    "AMQP_URL": "amqp://anna:hunter2@rabbit/",
    "REDIS_URL": "redis://redis/0",
    "AUTH_URLS": "http://auth-1:8101/, http://auth-2:8101",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_DURATION", "90m")
    monkeypatch.setenv("LOG_LEVEL", "")

    settings = load(Settings)

    assert settings.port == 8001
    assert settings.auth_urls == ("http://auth-1:8101", "http://auth-2:8101")
    assert settings.trial_duration == timedelta(minutes=90)
    assert settings.log_level == "info"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://a:b@db-1:5432,db-2:5433/x?target_session_attrs=read-write"),
        ("DATABASE_URL", "postgresql:///x?host=/run/postgresql"),
        ("AMQP_URL", "amqps://a:b@one:5671,two:5671/x"),
        ("AMQP_URL", "amqp://a:b@one/x,amqp://a:b@two/x"),
        ("REDIS_URL", "rediss+sentinel://:b@one:26379,two:26379/primary/0"),
        ("REDIS_URL", "unix://:b@/run/redis.sock?db=0"),
    ],
)
def test_a_url_may_name_several_hosts(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(load(Settings), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PORT", None, "PORT is missing"),
        ("PORT", "", "PORT is missing"),
        ("PORT", "70000", "PORT should be less than or equal to 65535"),
        ("DATABASE_URL", "hunter2", "DATABASE_URL must be a URL such as postgresql://host:port"),
        ("DATABASE_URL", "mysql://hunter2@db/x", "DATABASE_URL must be a URL such as postgresql://host:port"),
        ("AMQP_URL", "amqp://hunter2@rabbit:eighty/", "AMQP_URL must be a URL such as amqp://host:port"),
        ("AMQP_URL", "amqp://rabbit-1:5672,rabbit-2:hunter2/", "AMQP_URL must be a URL such as amqp://host:port"),
        ("AMQP_URL", "amqps://rabbit/?cafile=/hunter2.pem", "AMQP_URL names a file that can't be read: cafile"),
        (
            "DATABASE_URL",
            "postgresql://db-1,db-2/hunter2?target_session_attrs=standby",
            "DATABASE_URL must have target_session_attrs=read-write: services write",
        ),
        ("REDIS_URL", "redis://", "REDIS_URL must be a URL such as redis://host:port"),
        (
            "REDIS_URL",
            "redis+sentinel://:hunter2@one,two/",
            "REDIS_URL must name the primary: redis+sentinel://host:port,host:port/primary/0",
        ),
        ("AUTH_URLS", "http://auth-1,hunter2", "AUTH_URLS must be a URL such as http://host:port"),
        ("AUTH_URLS", None, "AUTH_URLS is missing"),
        ("TRIAL_DURATION", "14", "TRIAL_DURATION must be a duration such as 5s, 30m, 2h or 14d"),
        ("TRIAL_DURATION", "-5s", "TRIAL_DURATION must be a duration such as 5s, 30m, 2h or 14d"),
        ("TRIAL_DURATION", "9999999999d", "TRIAL_DURATION is too long"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_an_invalid_setting_is_named_in_one_line_without_its_value(
    name: str, value: str | None, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as end:
        load(Settings)

    assert end.value.code == 2
    assert capsys.readouterr().err == f"cannot start: {complaint}\n"


def test_several_invalid_settings_make_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PORT")
    monkeypatch.delenv("AMQP_URL")

    with pytest.raises(SystemExit):
        load(Settings)

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "PORT is missing" in line
    assert "AMQP_URL is missing" in line


def test_the_repr_of_settings_hides_passwords() -> None:
    assert "hunter2" not in repr(load(Settings))


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://crm.example.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://crm.example.com", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_a_public_url_is_https_or_on_loopback(url: str, good: bool) -> None:
    def read() -> str:
        return str(TypeAdapter(PublicUrl).validate_python(url))

    if good:
        assert read() == url
    else:
        with pytest.raises(ValidationError, match="must be https"):
            read()
