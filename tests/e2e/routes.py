"""The access rules of every API route, written by hand: least role, resource in the path, and who can see it.

A route that is missing here fails a test: add it.
"""

from typing import Literal, NamedTuple

Least = Literal["public", "agent", "admin", "owner"]
VisibleTo = Literal["", "mine", "admins", "tenant"]


class Access(NamedTuple):
    """`resource`: the kind that `{...}` in the path names (see `resources.py`), if a tenant can own it.

    `visible_to`: its user alone, its user and admins, or the whole tenant.
    """

    least: Least
    resource: str = ""
    visible_to: VisibleTo = ""


TABLE: dict[str, Access] = {
    "POST /auth/signup": Access("public"),
    "POST /auth/login": Access("public"),
    "POST /auth/invites/accept": Access("public"),
    "GET /auth/oauth": Access("public"),
    "GET /auth/oauth/{provider}/login": Access("public"),
    "GET /auth/oauth/{provider}/callback": Access("public"),
    "GET /auth/oauth/{provider}/link": Access("agent"),
    "POST /auth/oauth/{provider}/link": Access("agent"),
    "POST /auth/logout": Access("agent"),
    "POST /auth/password": Access("agent"),
    "GET /auth/me": Access("agent"),
    "PATCH /auth/me": Access("agent"),
    "GET /auth/sessions": Access("agent"),
    "DELETE /auth/sessions": Access("agent"),
    "DELETE /auth/sessions/{id}": Access("agent", "session", "mine"),
    "GET /users": Access("admin"),
    "POST /users": Access("admin"),
    "PATCH /users/{id}": Access("admin", "user", "tenant"),
    "PATCH /tenant": Access("owner"),
    "GET /files": Access("agent"),
    "POST /files": Access("agent"),
    "GET /files/{id}": Access("agent", "file", "tenant"),
    "DELETE /files/{id}": Access("agent", "file", "tenant"),
    "GET /files/{id}/content": Access("agent", "file", "tenant"),
    "POST /files/uploads": Access("agent"),
    "POST /files/uploads/{id}/complete": Access("agent", "upload", "tenant"),
    "GET /contacts": Access("agent"),
    "POST /contacts": Access("agent"),
    "POST /contacts/import": Access("admin"),
    "POST /contacts/import/preview": Access("admin"),
    "GET /contacts/import/template": Access("agent"),
    "GET /contacts/imports/{id}": Access("admin", "import", "tenant"),
    "GET /contacts/imports/{id}/lines": Access("admin", "import", "tenant"),
    "GET /contacts/{id}": Access("agent", "contact", "tenant"),
    "PATCH /contacts/{id}": Access("agent", "contact", "tenant"),
    "DELETE /contacts/{id}": Access("agent", "contact", "tenant"),
    "GET /contacts/{id}/consent": Access("agent", "contact", "tenant"),
    "GET /consent/{phone}": Access("agent"),
    # A conversation belongs to one user and a phone number: each user has another one under the same path.
    "GET /conversations": Access("agent"),
    "GET /conversations/{phone}": Access("agent"),
    "PATCH /conversations/{phone}": Access("agent"),
    "DELETE /conversations/{phone}": Access("agent"),
    "GET /conversations/{phone}/messages": Access("agent"),
    "POST /conversations/{phone}/messages": Access("agent"),
    "POST /conversations/{phone}/read": Access("agent"),
    "GET /notifications": Access("agent"),
    "POST /notifications/{id}/read": Access("agent", "notification", "mine"),
    "GET /channels": Access("admin"),
    "POST /channels": Access("admin"),
    "PATCH /channels/{id}": Access("admin", "channel", "tenant"),
    "DELETE /channels/{id}": Access("admin", "channel", "tenant"),
    # The key selects the tenant, the provider's signature proves it.
    "POST /webhooks/{provider}/{endpoint_key}": Access("public"),
    "GET /campaigns": Access("agent"),
    "POST /campaigns": Access("agent"),
    "GET /campaigns/{id}": Access("agent", "campaign", "tenant"),
    "GET /campaigns/{id}/deliveries": Access("agent", "run campaign", "tenant"),
    "POST /campaigns/{id}/pause": Access("agent", "campaign", "tenant"),
    "POST /campaigns/{id}/resume": Access("agent", "campaign", "tenant"),
    "POST /campaigns/{id}/cancel": Access("agent", "campaign", "tenant"),
    "GET /reminders": Access("agent"),
    "POST /reminders": Access("agent"),
    "GET /reminders/{id}": Access("agent", "reminder", "admins"),
    "PATCH /reminders/{id}": Access("agent", "reminder", "admins"),
    "DELETE /reminders/{id}": Access("agent", "reminder", "admins"),
    "POST /reminders/{id}/snooze": Access("agent", "reminder", "admins"),
    "GET /calls": Access("agent"),
    "POST /calls": Access("agent"),
    "GET /calls/{id}": Access("agent", "call", "admins"),
    "PATCH /calls/{id}": Access("agent", "call", "admins"),
    "DELETE /calls/{id}": Access("agent", "call", "admins"),
    "GET /calls/{id}/events": Access("agent", "placed call", "admins"),
    "GET /schedule": Access("agent"),
    "GET /events": Access("agent"),
}

# Request fields that take the id of a resource: another tenant's ids must be refused.
GIVEN_IDS: dict[str, dict[str, str]] = {
    "GET /calls": {"user_id": "user"},
    "POST /calls": {"user_id": "user"},
    "PATCH /calls/{id}": {"user_id": "user"},
    "GET /reminders": {"user_id": "user"},
    "POST /reminders": {"user_id": "user"},
    "PATCH /reminders/{id}": {"user_id": "user"},
    "GET /schedule": {"user_id": "user"},
    "POST /contacts": {"owner_id": "user"},
    "PATCH /contacts/{id}": {"owner_id": "user"},
    "POST /conversations/{phone}/messages": {"attachments": "file"},
}
