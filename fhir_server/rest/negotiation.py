"""Which format a client wants and which one it sent: https://hl7.org/fhir/R4/http.html#mime-type."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

from fhir_server.fhir.errors import NotAcceptable, UnsupportedMediaType


class Format(Enum):
    """A format of resources; the value is its media type."""

    JSON = "application/fhir+json"
    XML = "application/fhir+xml"


JSON_PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"

_FORMATS = {
    "application/fhir+json": Format.JSON,
    "application/json": Format.JSON,
    "application/json+fhir": Format.JSON,
    "text/json": Format.JSON,
    "json": Format.JSON,
    "application/fhir+xml": Format.XML,
    "application/xml": Format.XML,
    "application/xml+fhir": Format.XML,
    "text/xml": Format.XML,
    "xml": Format.XML,
}
_ANY = frozenset({"*/*", "application/*", "*"})
# A browser ranks application/xml above */*, but its reader is better served with JSON.
_PAGE = frozenset({"text/html", "application/xhtml+xml"})
_VERSIONS = frozenset({"4.0", "4.0.1"})


@lru_cache(maxsize=256)
def negotiate(accept: str, asked: str) -> Format:
    """Return the format for `Accept` and `_format` (which wins); raise NotAcceptable."""
    if asked:
        # Unescaped, the plus of application/fhir+json arrives as a blank.
        return _served(asked.strip().replace(" ", "+"), "_format")
    if not accept:
        return Format.JSON
    ranges = sorted(_ranges(accept), key=lambda each: -each[1])
    if any(name in _PAGE for name, _ in ranges):
        return Format.JSON
    for name, quality in ranges:
        if quality > 0 and name in _ANY:
            return Format.JSON
        if quality > 0 and name in _FORMATS:
            return _FORMATS[name]
    raise _not_acceptable("Accept", accept)


@lru_cache(maxsize=256)
def names_fhir(accept: str, asked: str) -> bool:
    """Tell whether a format of resources is asked for by name: else a Binary is sent as it is."""
    return bool(asked) or any(
        name in _FORMATS and name.startswith("application/") and "fhir" in name
        for name, _ in _ranges(accept)
    )


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """Return a Content-Type without its parameters; refuse what is not UTF-8 or not R4."""
    name, parameters = _parsed(content_type)
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"The body is in {charset}; FHIR is written in UTF-8.")
    if parameters.get("fhirversion", "4.0") not in _VERSIONS:
        raise UnsupportedMediaType(
            f"The body is FHIR {parameters['fhirversion']}; this server speaks 4.0."
        )
    return name


def content_format(content_type: str) -> Format:
    """Return the format of a body; raise UnsupportedMediaType."""
    name = media_type(content_type)
    found = _FORMATS.get(name)
    if found is None:
        said = f"The Content-Type is {name}" if name else "The Content-Type is missing"
        raise UnsupportedMediaType(f"{said}; send application/fhir+json or application/fhir+xml.")
    return found


def is_resource(content_type: str) -> bool:
    """Tell whether a body of this Content-Type is a resource, and no raw content."""
    return _parsed(content_type)[0] in _FORMATS


def _served(asked: str, where: str) -> Format:
    name, parameters = _parsed(asked)
    if name in _ANY or name in _PAGE:
        return Format.JSON
    if name not in _FORMATS or parameters.get("fhirversion", "4.0") not in _VERSIONS:
        raise _not_acceptable(where, asked)
    return _FORMATS[name]


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for each in accept.split(","):
        name, parameters = _parsed(each)
        if name and parameters.get("fhirversion", "4.0") in _VERSIONS:
            yield name, _quality(parameters.get("q", "1"))


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    name, *parameters = text.split(";")
    pairs = (each.partition("=") for each in parameters)
    return name.strip().lower(), {
        key.strip().lower(): value.strip().strip('"') for key, _, value in pairs
    }


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _not_acceptable(where: str, asked: str) -> NotAcceptable:
    return NotAcceptable(
        f"{where} asks for {asked[:100]!r}; "
        "this server writes application/fhir+json and application/fhir+xml of FHIR 4.0."
    )
