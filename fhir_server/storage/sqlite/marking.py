"""What a store notes of itself: by which release it is indexed, in which time zone, whether it is a whole copy."""

from __future__ import annotations

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.search.record import INDEX_FORMAT
from fhir_server.storage.moving import Mark, packed_mark, unpacked_mark

ZONE = "SELECT value FROM keyvalue WHERE kind='index' AND key='zone'"
MARK_ZONE = "INSERT OR REPLACE INTO keyvalue VALUES('index', 'zone', ?, NULL)"


COPYING = "SELECT value FROM keyvalue WHERE kind='index' AND key='copying'"
MARK_COPYING = "INSERT OR REPLACE INTO keyvalue VALUES('index', 'copying', ?, NULL)"
UNMARK_COPYING = "DELETE FROM keyvalue WHERE kind='index' AND key='copying'"


def refuse_half_copied(connection: apsw.Connection) -> None:
    """Raise Unavailable for a store that is no whole copy yet."""
    mark = copying(connection)
    if mark is not None:
        raise Unavailable(mark.told)


def copying(connection: apsw.Connection) -> Mark | None:
    """Return of what a store is a copy that is not whole, None for any other."""
    found: bytes | None = connection.execute(COPYING).get
    return None if found is None else unpacked_mark(found)


def mark_copying(connection: apsw.Connection, mark: Mark) -> None:
    """Note how far a copy is."""
    connection.execute(MARK_COPYING, (packed_mark(mark),))


def check_index(connection: apsw.Connection, zone: str) -> None:
    """Raise Unavailable for resources that were indexed otherwise: searches would miss some of them."""
    refuse_half_copied(connection)
    if is_indexed(connection, zone):
        return
    if connection.execute("SELECT EXISTS(SELECT 1 FROM resource)").get:
        raise Unavailable(_told(connection, zone))
    mark_indexed(connection, zone)


def _told(connection: apsw.Connection, zone: str) -> str:
    if not _is_of_this_release(connection):
        return (
            "The store was indexed by another release, and searches would miss what it holds: "
            "run fhir-server reindex"
        )
    known = zone_of(connection)
    return (
        f"The store was indexed in the time zone {known}, and dates without one would be missed in {zone}: "
        f"set FHIR_TIME_ZONE={known}, or stop its servers and run fhir-server reindex in the new one"
    )


def is_indexed(connection: apsw.Connection, zone: str) -> bool:
    """Tell whether every resource is indexed by this release, in this zone."""
    return _is_of_this_release(connection) and zone_of(connection) == zone


def zone_of(connection: apsw.Connection) -> str:
    """Return the zone that a store is indexed in: before there was a choice it was the default."""
    found: bytes | None = connection.execute(ZONE).get
    return DEFAULT_ZONE if found is None else found.decode()


def mark_indexed(connection: apsw.Connection, zone: str = DEFAULT_ZONE) -> None:
    """Note that every resource is indexed by this release, in this zone."""
    mark_zone(connection, zone)
    connection.pragma("application_id", INDEX_FORMAT)


def mark_zone(connection: apsw.Connection, zone: str) -> None:
    """Note in which zone dates without one are read."""
    connection.execute(MARK_ZONE, (zone.encode(),))


def unmark_indexed(connection: apsw.Connection) -> None:
    """Note that not every resource is indexed."""
    connection.pragma("application_id", 0)


def _is_of_this_release(connection: apsw.Connection) -> bool:
    return bool(connection.pragma("application_id") == INDEX_FORMAT)
