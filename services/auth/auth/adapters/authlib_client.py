"""Authlib's OAuth client, imported without the warnings that it writes to stderr at each start, which are no JSON."""

import warnings

with warnings.catch_warnings(record=True):  # it insists on its own deprecation warnings, whatever the filters are
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client

__all__ = ["AsyncOAuth2Client", "OAuthError"]
