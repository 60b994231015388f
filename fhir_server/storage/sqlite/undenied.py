"""Owner classes that audiences are denied nothing of, remembered until anything is denied, or no longer denied.

Most pages show what concerns one or two people. Instead of one look at the denials for each row there is one for each
owner class, and none where the answer is known: of this version of the store, or of an earlier one since when no
denial changed. Triggers count their changes (schema.py), so that no writer of any process can pass them by.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import apsw

from fhir_server.policy.decision import Audience
from fhir_server.storage.sqlite.admitting import ADMITTED

CHANGES = "SELECT number FROM denial_changes"
LOOK = f"SELECT EXISTS(SELECT 1 FROM denial WHERE audience=? AND owner=?) WHERE {ADMITTED}"  # noqa: S608 - constants

MOST_LOOKS = 3
"""Owner classes that are looked for one by one: of more, the statement that looks for each row is the cheaper one."""

MOST_REMEMBERED = 100_000


class Undenied:
    """What one connection knows; all that it knows is true of the version that it knows of."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self._version = -1
        self._changes = -1
        self._known: set[tuple[int, int]] = set()

    def holds(self, audience: Audience, owners: AbstractSet[int]) -> bool | None:
        """Tell whether nothing of these was denied, at whatever moment, when the latest statement on this connection read.

        None: denials changed about then, so that it cannot be told. Raises NotAdmitted.
        """
        if self.connection.data_version() != self._version and not self._follow():
            return None
        key = audience.key
        unknown = [each for each in owners if (key, each) not in self._known]
        if not unknown:
            return True
        if len(unknown) > MOST_LOOKS or any(self._is_denied(key, each) for each in unknown):
            return False
        if self.connection.data_version() != self._version:
            return None
        self._known.update((key, each) for each in unknown)
        return True

    def _follow(self) -> bool:
        """Know of the latest version; tell whether the denials are what they were in the version before."""
        changes: int = self.connection.execute(CHANGES).get
        # The version that was just read. Numbers only rise: where it is the same, so it was in between.
        self._version = self.connection.data_version()
        is_same = changes == self._changes
        if not is_same or len(self._known) > MOST_REMEMBERED:
            self._changes = changes
            self._known.clear()
        return is_same

    def _is_denied(self, key: int, owner: int) -> bool:
        return bool(self.connection.execute(LOOK, (key, owner, key)).get)
