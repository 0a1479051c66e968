"""What was attempted, what was acknowledged, and what is there: the counters of a fault run."""

from collections import Counter
from dataclasses import dataclass, field

KINDS = ("messages", "files", "reminders", "campaign deliveries", "calls", "socket events")


@dataclass(frozen=True)
class Balance:
    """Of one kind of thing. `lost`, `doubled` and `unexpected` have to be empty."""

    attempted: int
    acknowledged: int
    lost: list[str]
    doubled: list[str]
    unexpected: list[str]
    uncertain: list[str]
    recovered: int  # never acknowledged, and there all the same

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.unexpected)


@dataclass
class Ledger:
    """Things by a name that is theirs alone."""

    attempted: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)

    def attempt(self, name: str) -> None:
        """Before the request goes out."""
        self.attempted.add(name)

    def acknowledge(self, name: str) -> None:
        """Answered by 2xx."""
        self.acknowledged.add(name)

    def close(self, there: Counter[str], *, uncertain: frozenset[str] = frozenset()) -> Balance:
        """`there`: how often each was found; `uncertain`: found, and said not to be known how it went."""
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
    """In Markdown, which reads well on a terminal too."""
    heads = ("", "attempted", "acknowledged", "lost", "doubled", "unexpected", "uncertain", "recovered")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for kind, found in balances.items():
        bad = (found.lost, found.doubled, found.unexpected, found.uncertain)
        cells = (kind, found.attempted, found.acknowledged, *(len(names) for names in bad), found.recovered)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)
