"""A release of the console: its page and assets, read once, compressed, under paths with the hash of their content."""

import gzip
import json
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

ASSETS = "/assets/"
TYPES = {"js": "text/javascript", "mjs": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
IMPORTS = {
    "preact": "vendor/preact.mjs",
    "preact/hooks": "vendor/hooks.mjs",
    "@preact/signals": "vendor/signals.mjs",
    "@preact/signals-core": "vendor/signals-core.mjs",
    "htm": "vendor/htm.mjs",
    "socket.io-client": "vendor/socket.io.esm.min.js",
    "uplot": "vendor/uPlot.esm.js",
}
LOADED_FIRST = (
    "account/", "app/api.js", "app/main.js", "app/router.js", "app/session.js", "app/shell.js", "app/state.js",
    "app/texts", "app/theme.js", "ui/form.js", "ui/html.js", "ui/icons.js",
    "vendor/hooks", "vendor/htm", "vendor/preact", "vendor/signals",
)  # fmt: skip
"""Prefixes of the modules that the sign-in page needs. The others are fetched after it."""
CHARTS = "vendor/uPlot"
"""Fetched by the first chart."""
POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
RELOADER = (
    "addEventListener('error',e=>{const n=e.target&&e.target.nodeName;"
    "if(n==='SCRIPT'||n==='LINK')setTimeout(()=>location.reload(),2000)},true)"
)
"""Loads the page again when a file of it is missing: another gateway has a newer release already."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: `compressed` is its gzip form."""

    content: bytes
    compressed: bytes
    content_type: str


@dataclass(frozen=True)
class ConsoleRelease:
    """`assets` by path. `policy` is the page's Content-Security-Policy, `hash` that of all files."""

    page: Asset
    assets: dict[str, Asset]
    policy: str
    hash: str


@cache
def console_release() -> ConsoleRelease:
    """The release in this package."""
    root = files("api_gateway").joinpath("console", "static")
    sources = {name: content for name, content in sorted(_walk(root)) if name.rpartition(".")[2] in TYPES}
    index = root.joinpath("index.html").read_text()
    digest = sha256(index.encode())
    for name, content in sources.items():
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    release = digest.hexdigest()[:16]
    base = f"{ASSETS}{release}/"
    assets = {base + name: _asset(content, TYPES[name.rpartition(".")[2]]) for name, content in sources.items()}
    import_map = json.dumps({"imports": {name: base + path for name, path in IMPORTS.items()}})
    scripts = [name for name in sources if name.endswith("js")]
    page = (
        index.replace("{reloader}", RELOADER)
        .replace("{import_map}", import_map)
        .replace("{preloads}", _preloads(base, [name for name in scripts if name.startswith(LOADED_FIRST)]))
        .replace("{later}", _preloads(base, [name for name in scripts if not name.startswith((*LOADED_FIRST, CHARTS))]))
        .replace("{base}", base)
        .replace("{release}", release)
    )
    policy = POLICY.format(scripts=" ".join(map(_hash_source, (RELOADER, import_map))))
    return ConsoleRelease(_asset(page.encode(), "text/html"), assets, policy, release)


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _preloads(base: str, names: list[str]) -> str:
    """Links by which the browser fetches modules at once, instead of one import after another."""
    return "\n".join(f'<link rel="modulepreload" href="{escape(base + name)}">' for name in names)


def _asset(content: bytes, content_type: str) -> Asset:
    return Asset(content, gzip.compress(content, 9, mtime=0), content_type)


def _hash_source(script: str) -> str:
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
