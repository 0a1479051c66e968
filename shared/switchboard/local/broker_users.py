"""The broker's users and permissions: one user per service, which may publish only the service's own events.

Every service declares every queue of the product, so all of them may configure queues. Topic permissions limit what a
service publishes to the exchanges of events and commands: only its own message types. This contains mistakes, not an
intruder: a service may write to queues directly, because dead-lettering and delays do.

The user of another team, `ext-<team>`, may bind queues `ext.<team>.*` to the events, and publishes nothing. Such
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
PRODUCT_RESOURCES = rf"^(switchboard\..*|({SERVICES})\..*)$"
TEAM_QUEUE_LIMITS = {"max-length-bytes": 256 * 1024 * 1024, "overflow": "drop-head"}
# The delay queues return a message to its queue through the default exchange.
WRITABLE = rf"^(amq\.default|switchboard\..*|({SERVICES})\..*)$"


def definitions(passwords: Mapping[str, str], vhost: str, admin: str) -> dict[str, Any]:
    """Return the definitions file that the broker loads at every start."""
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(name, password, name == admin) for name, password in passwords.items()],
        "permissions": [{"user": name, "vhost": vhost, **_permissions(name, admin)} for name in passwords],
        "topic_permissions": [
            {"user": name, "vhost": vhost, "exchange": e, "write": publishable(name, e), "read": ".*"}
            for name in passwords
            if name != admin
            for e in (EVENTS, COMMANDS)
        ],
        "policies": [
            {
                "vhost": vhost,
                "name": "ext",
                "pattern": r"^ext\.",
                "apply-to": "queues",
                "priority": 0,
                "definition": TEAM_QUEUE_LIMITS,
            }
        ],
    }


def publishable(service: str, exchange: str) -> str:
    """Return a regular expression of the routing keys that a service may publish to the exchange."""
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
    return {"configure": PRODUCT_RESOURCES, "write": WRITABLE, "read": PRODUCT_RESOURCES}
