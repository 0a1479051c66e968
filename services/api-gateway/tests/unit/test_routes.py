"""The route table, retries and the end of a trial."""

import pytest

from api_gateway.proxy.routes import CONVERSATIONS, RouteTable, Target, allowed_after_trial, is_retryable

TABLE = RouteTable(1000)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/v1/auth/login", "auth"),
        ("/api/v1/files", "files"),
        ("/api/v1/contacts/1/notes", "conversations"),
        ("/api/v1/campaigns/1", "scheduler"),
        ("/api/v1/campaigns/1/deliveries", "conversations"),
        ("/api/v1/calls/1/events", "conversations"),
        ("/api/v1/events", "realtime"),
        ("/api/v1/filesystem", None),
        ("/api/v1", None),
        ("/internal/sessions/resolve", None),
    ],
)
def test_the_longest_prefix_names_the_service(path: str, service: str | None) -> None:
    target = TABLE.find(path)

    assert (target.service if target else None) == service


def test_the_import_takes_larger_bodies_than_other_contacts() -> None:
    found = [TABLE.find(path) for path in ("/api/v1/contacts", "/api/v1/contacts/import")]

    assert [target.max_body for target in found if target] == [CONVERSATIONS.max_body, 64 * 1024 * 1024]


@pytest.mark.parametrize("part", ["..", "%2e%2e", ".", "a%2fb", "a\\b", "a%00", "", "ä"])
def test_an_ambiguous_path_has_no_route(part: str) -> None:
    assert TABLE.find(f"/api/v1/files/{part}/x") is None


def test_after_the_trial_reading_and_signing_in_are_allowed() -> None:
    assert allowed_after_trial("GET", "/api/v1/contacts")
    assert allowed_after_trial("POST", "/api/v1/auth/login")
    assert allowed_after_trial("POST", "/api/v1/webhooks/twilio")
    assert not allowed_after_trial("POST", "/api/v1/contacts")


def test_a_post_is_retryable_only_with_a_key_that_is_kept() -> None:
    keeps_none = Target("auth", accepts_keys=False)

    assert is_retryable("PUT", keeps_none, has_key=False)
    assert is_retryable("POST", CONVERSATIONS, has_key=True)
    assert not is_retryable("POST", CONVERSATIONS, has_key=False)
    assert not is_retryable("POST", keeps_none, has_key=True)
