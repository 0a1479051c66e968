"""Serves the console: `/` is asked for again each time, the assets below `/assets/` are kept for ever."""

from aiohttp import web

from api_gateway.console.release import Asset, console_release
from api_gateway.proxy.request import ProxyRequest


class ConsoleRoutes:
    """Answers GET requests for the console's page and assets."""

    def __init__(self) -> None:
        self._release = console_release()
        self._page_headers = {
            "Content-Security-Policy": self._release.policy,
            "Cache-Control": "no-cache",
            "Cross-Origin-Opener-Policy": "same-origin",
            "ETag": f'"{self._release.hash}"',
        }

    @property
    def asset_paths(self) -> tuple[str, ...]:
        """The paths of all assets of this release."""
        return tuple(self._release.assets)

    async def page(self, incoming: ProxyRequest) -> web.Response:
        """The console's page. Its `ETag` is the release's hash, by which an open page learns of a newer one."""
        if incoming.request.headers.get("If-None-Match") == self._page_headers["ETag"]:
            return web.Response(status=304, headers=self._page_headers)
        return _reply(incoming, self._release.page, self._page_headers)

    async def asset(self, incoming: ProxyRequest) -> web.Response:
        """A script, style or image. Its path names its content, so that it never changes."""
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return _reply(incoming, self._release.assets[incoming.path], headers)


def _reply(incoming: ProxyRequest, asset: Asset, headers: dict[str, str]) -> web.Response:
    body, encoding = asset.content, {}
    if accepts_gzip(incoming.request.headers.get("Accept-Encoding", "")):
        body, encoding = asset.compressed, {"Content-Encoding": "gzip"}
    return web.Response(
        body=body,
        content_type=asset.content_type,
        charset="utf-8",
        headers={**headers, **encoding, "Vary": "Accept-Encoding"},
    )


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    qualities = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        qualities[name.strip()] = parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return qualities.get("gzip", qualities.get("*", False))
