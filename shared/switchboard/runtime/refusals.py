"""Refusals: the errors that a caller sees. A refusal is expected, so it is never logged as an error.

A service defines each of its own refusals as one class:

    class NotUploading(Conflict):
        \"\"\"This file is no longer being uploaded.\"\"\"

        code = "file_not_uploading"

`code` is stable and read by programs, `status` is the HTTP status, and the first line of the docstring is the
`detail` that a client sees.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, TypedDict


class Error(TypedDict):
    """An invalid part of a request: where it is (`["body", "phone"]`, `["query", "cursor"]`) and why it is invalid."""

    loc: list[str | int]
    msg: str


class Refusal(Exception):
    """The request was refused."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Error] = (),
    ) -> None:
        self.detail = detail or self.default_detail()
        self.headers = dict(headers or {})
        self.errors = list(errors)
        super().__init__(self.detail)

    @classmethod
    def default_detail(cls) -> str:
        """The first line of the class's own docstring."""
        return (cls.__dict__.get("__doc__") or cls.title()).strip().splitlines()[0]

    @classmethod
    def title(cls) -> str:
        """The code in words: `file_not_uploading` is "File not uploading"."""
        return cls.code.replace("_", " ").capitalize()


class Malformed(Refusal):
    """The request is not well-formed."""

    code = "malformed"
    status = 400


class Unauthenticated(Refusal):
    """Sign in first."""

    code = "unauthenticated"
    status = 401


class Forbidden(Refusal):
    """Your role does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(Refusal):
    """Not found."""

    code = "not_found"
    status = 404


class Conflict(Refusal):
    """The request conflicts with the current state."""

    code = "conflict"
    status = 409


class TooLarge(Refusal):
    """The request's body is too large."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(Refusal):
    """The content type of the body is not supported."""

    code = "unsupported_media_type"
    status = 415


class Invalid(Refusal):
    """The input is not valid."""

    code = "invalid"
    status = 422

    @classmethod
    def field(cls, msg: str, *loc: str | int) -> "Invalid":
        """One invalid field: `Invalid.field("must be later than now", "body", "remind_at")`."""
        return cls(errors=[Error(loc=list(loc), msg=msg)])


class _RetryLater(Refusal):
    """Try again later."""

    def __init__(self, detail: str | None = None, *, retry_after: float = 1, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("Retry-After", str(max(1, ceil(retry_after))))


class TooMany(_RetryLater):
    """Too many requests: try again later."""

    code = "too_many_requests"
    status = 429


class ServiceUnavailable(_RetryLater):
    """The service is not available at the moment: try again later."""

    code = "unavailable"
    status = 503
