"""Pagination by cursor: `?limit=` and `?cursor=`, answered by `{"items": [...], "next_cursor": str|null}`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from switchboard.http.parsing import fault_of, in_utc
from switchboard.runtime.refusals import Invalid

T = TypeVar("T")
R = TypeVar("R")

MAX_LIMIT = 200


class Page(BaseModel, Generic[T]):
    """One page of a list. `next_cursor` asks for the next page; null on the last page."""

    items: list[T]
    next_cursor: str | None = None


class PageQuery(BaseModel):
    """Query parameters of a list. Subclasses add its filters."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 50
    cursor: Annotated[str, Field(max_length=500)] | None = None


def page(rows: Sequence[R], limit: int, cursor_of: Callable[[R], tuple[object, ...]]) -> tuple[list[R], str | None]:
    """The page's rows and the next cursor, from rows that were read with `limit + 1`."""
    shown = list(rows[:limit])
    return shown, encode_cursor(*cursor_of(shown[-1])) if len(rows) > limit else None


def encode_cursor(*values: object) -> str:
    """An opaque cursor: the values of the list's order (strings, numbers, datetimes, UUIDs) in one row."""
    return urlsafe_b64encode(orjson.dumps(values, default=str)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *types: Any) -> tuple[Any, ...]:
    """The values in a cursor, as `types`. Raises `Invalid` for text that `encode_cursor` did not make for them."""
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        values: tuple[Any, ...] = _adapter(types).validate_json(text)
        for value in values:
            if isinstance(value, datetime):
                in_utc(value)
            if (fault := fault_of(value)) is not None:
                raise ValueError(fault)
    except (ValueError, ValidationError):
        raise Invalid.field("is not a valid cursor of this list", "query", "cursor") from None
    return values


@lru_cache(maxsize=256)
def _adapter(types: tuple[Any, ...]) -> TypeAdapter[tuple[Any, ...]]:
    shape: Any = tuple.__class_getitem__(types)
    return TypeAdapter(shape, config=ConfigDict(strict=True))
