"""The ledgers of a fault run: attempts, acknowledgements, and their comparison with the data found."""

from collections import Counter
from dataclasses import dataclass, field

KINDS = ("messages", "files", "reminders", "campaign deliveries", "calls", "socket events")


@dataclass(frozen=True)
class Balance:
    """The result for one kind of data. `lost`, `doubled` and `unexpected` must be empty."""

    attempted: int
    acknowledged: int
    lost: list[str]
    doubled: list[str]
    unexpected: list[str]
    uncertain: list[str]
    recovered: int  # found, although never acknowledged

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.unexpected)


@dataclass
class Ledger:
    """Attempted and acknowledged writes, by unique names."""

    attempted: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)

    def attempt(self, name: str) -> None:
        """Record an attempt, before its request is sent."""
        self.attempted.add(name)

    def acknowledge(self, name: str) -> None:
        """Record a 2xx answer."""
        self.acknowledged.add(name)

    def close(self, there: Counter[str], *, uncertain: frozenset[str] = frozenset()) -> Balance:
        """Compare with the data. `there`: how often each name was found; `uncertain`: its outcome is unknown."""
        return Balance(
            attempted=len(self.attempted),
            acknowledged=len(self.acknowledged),
            lost=sorted(self.acknowledged - set(there)),
            doubled=sorted(name for name, count in there.items() if count > 1),
            unexpected=sorted(set(there) - self.attempted),
            uncertain=sorted(uncertain),
            recovered=len((self.attempted - self.acknowledged) & set(there)),
        )


def table(balances: dict[str, Balance]) -> str:
    """Format the balances as a Markdown table."""
    heads = ("", "attempted", "acknowledged", "lost", "doubled", "unexpected", "uncertain", "recovered")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for kind, found in balances.items():
        bad = (found.lost, found.doubled, found.unexpected, found.uncertain)
        cells = (kind, found.attempted, found.acknowledged, *(len(names) for names in bad), found.recovered)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)
