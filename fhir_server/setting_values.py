"""What single settings may be: each kind is parsed and checked by itself."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_settings import NoDecode

from fhir_server.auth.addresses import is_safe

SQLITE = "sqlite:"
SINGLE_WRITES = "single-writes"
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{20,}=*")
"""https://www.rfc-editor.org/rfc/rfc6750#section-2.1, long enough not to be guessed."""
_MONGO = ("mongodb://", "mongodb+srv://")


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(each.strip() for each in value.split(",") if each.strip())
    return value


def _store(value: str) -> str:
    if value.startswith(_MONGO) and urlsplit(value).netloc:
        return value
    if not value.startswith(SQLITE) or value == SQLITE:
        # Not repeated: it may hold a password.
        raise ValueError("a store is sqlite:PATH or mongodb://HOST/DATABASE")
    return value


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {value[:64]!r}: this is a name such as Europe/London or UTC"
        ) from None


def _base(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("a base URL begins with http:// or https://")
    return value.rstrip("/")


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        ip_network(each)
    return value


def _issuers(value: tuple[str, ...]) -> tuple[str, ...]:
    unsafe = [each for each in value if not is_safe(each)]
    if unsafe:
        raise ValueError(f"{unsafe[0]} is no issuer: this is a URL with https://")
    return value


def _metrics_token(value: str) -> str:
    if not _BEARER.fullmatch(value):
        # Not repeated: it is a secret.
        raise ValueError("this is 20 letters and digits or more, as `openssl rand -hex 32` prints")
    return value


def _store_options(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if unknown := sorted({*value} - {SINGLE_WRITES}):
        raise ValueError(f"there is no option {unknown[0][:64]!r}: this is {SINGLE_WRITES}")
    if value and str(info.data.get("store")).startswith(SQLITE):
        raise ValueError(f"{SINGLE_WRITES} is for a store on MongoDB")
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A list that is written with commas."""

Networks = Annotated[Names, AfterValidator(_networks)]
Issuers = Annotated[Names, AfterValidator(_issuers)]
BaseUrl = Annotated[str, AfterValidator(_base)]
StoreOptions = Annotated[Names, AfterValidator(_store_options)]
"""How the store is used; said after the store."""

MetricsToken = Annotated[str, AfterValidator(_metrics_token)]
StoreAddress = Annotated[str, AfterValidator(_store)]
ZoneName = Annotated[str, AfterValidator(_zone)]
