"""The HTTP API of files. All documents are the tenant's: each of its users may read, add and delete them."""

from files.actions.deps import FileDeps
from files.api.documents import Documents
from files.api.signed_urls import SignedUrls
from files.api.uploads import Uploads
from files.metrics import UploadMetrics
from files.settings import Settings
from switchboard.http import Route


def routes(deps: FileDeps, settings: Settings, metrics: UploadMetrics) -> list[Route]:
    """All routes of the service."""
    urls = SignedUrls.of(settings, deps.bucket)
    return [*Uploads(deps, urls, metrics).routes(), *Documents(deps.database, urls).routes()]
