"""Write the latest measurements, and the machine, to `docs/numbers.md`."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import psutil

PAGE = Path(__file__).parents[1] / "docs" / "numbers.md"


def keep(section: str, text: str, page: Path = PAGE) -> None:
    """Replace a section of the page, between `<!-- NAME -->` and `<!-- end -->`."""
    section_text = f"<!-- {section} -->\n{machine()}\n\n{text.strip()}\n<!-- end -->"
    before = page.read_text()
    after, found = re.subn(
        rf"<!-- {section} -->\n.*?<!-- end -->", lambda _: section_text, before, count=1, flags=re.DOTALL
    )
    if not found:
        raise LookupError(f"{page} has no section {section!r}")
    page.write_text(after)


def machine() -> str:
    """Describe the date and the machine."""
    memory = psutil.virtual_memory().total / 2**30
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"{memory:.0f} GB, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"load before {os.getloadavg()[2]:.1f}"
    )
