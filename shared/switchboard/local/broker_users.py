"""The broker's users and permissions: one user per service, which may publish only the service's own events.

Every service declares every queue of the product, so all may configure; what they may publish to the exchanges of
events and of commands is held to the types of their own by topic permissions. That keeps mistakes apart, not an
intruder: the password of a service allows writing to queues directly, as dead-lettering and delays do.

Another team's user, `ext-<team>`, may have queues `ext.<team>.*` bound to the events, and publishes nothing. Such
queues are bounded and drop their oldest messages, so that a subscriber that stays offline fills no disk.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from switchboard.contracts.consumers import SUBSCRIPTIONS, publisher_of
from switchboard.contracts.message import registered
from switchboard.local.services import TEAM
from switchboard.messaging.broker.routing import COMMANDS, EVENTS, exchange_of

SERVICES = "|".join(sorted({subscription.service for subscription in SUBSCRIPTIONS} | {"scheduler"}))
OWN = rf"^(switchboard\..*|({SERVICES})\..*)$"
# The delay queues return a message to its queue through the default exchange.
TEAMS_QUEUES = {"max-length-bytes": 256 * 1024 * 1024, "overflow": "drop-head"}
WRITABLE = rf"^(amq\.default|switchboard\..*|({SERVICES})\..*)$"


def definitions(passwords: Mapping[str, str], vhost: str, admin: str) -> dict[str, Any]:
    """A definitions file for the broker to load at every start."""
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(name, password, name == admin) for name, password in passwords.items()],
        "permissions": [{"user": name, "vhost": vhost, **_permissions(name, admin)} for name in passwords],
        "topic_permissions": [
            {"user": name, "vhost": vhost, "exchange": exchange, "write": own_keys(name, exchange), "read": ".*"}
            for name in passwords
            if name != admin
            for exchange in (EVENTS, COMMANDS)
        ],
        "policies": [
            {
                "vhost": vhost,
                "name": "ext",
                "pattern": r"^ext\.",
                "apply-to": "queues",
                "priority": 0,
                "definition": TEAMS_QUEUES,
            }
        ],
    }


def own_keys(service: str, exchange: str) -> str:
    """The routing keys that a service may publish with to that exchange, as a regular expression."""
    own = (cls for cls in registered().values() if publisher_of(cls) == service and exchange_of(cls) == exchange)
    types = sorted(cls.type.replace(".", "[.]") for cls in own)
    end = r"\." if exchange == EVENTS else "$"
    return rf"^({'|'.join(types)}){end}" if types else "^$"


def _user(name: str, password: str, admin: bool) -> dict[str, Any]:
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]  # the same file for the same users
    digest = hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "administrator" if admin else "",
    }


def _permissions(name: str, admin: str) -> dict[str, str]:
    if name == admin:
        return {"configure": ".*", "write": ".*", "read": ".*"}
    if name.startswith(TEAM):
        queues = rf"ext\.{name.removeprefix(TEAM)}\..*"
        return {
            "configure": f"^{queues}$",
            "write": f"^{queues}$",
            "read": rf"^({queues}|{EVENTS.replace('.', '[.]')})$",
        }
    return {"configure": OWN, "write": WRITABLE, "read": OWN}
