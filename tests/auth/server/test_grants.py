"""Codes and refresh tokens against a model of them, in any order: each is good once, and reuse ends the grant."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from fhir_server.auth.server.errors import InvalidGrant
from fhir_server.auth.server.grants import CODE_LASTS, Grant, Grants, challenge_of
from fhir_server.auth.server.revocations import Revocations
from tests.auth.server.material import ADA, CALLBACK, MOMENT, SECOND, VERIFIER
from tests.support.remembering import Memory

T = TypeVar("T")


@dataclass
class Known:
    """What the model knows of one grant."""

    grant: Grant
    given: int
    code_used: bool = False
    over: bool = False
    good: str | None = None
    old: list[str] = field(default_factory=list)


class Codes(RuleBasedStateMachine):
    """Apps, thieves and the clock, in any order."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        secrets = count()
        values = Memory()
        self.revocations = Revocations(values)
        self.grants = Grants(values, self.revocations, lambda: f"s{next(secrets)}")
        self.now = MOMENT
        self.all: list[Known] = []

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def _refused(self, work: Coroutine[Any, Any, object]) -> bool:
        try:
            self._run(work)
        except InvalidGrant:
            return True
        return False

    def _redeeming(self, code: str, client: str, verifier: str) -> Coroutine[Any, Any, Grant]:
        return self.grants.redeem(
            code, client_id=client, redirect_uri=CALLBACK, verifier=verifier, now=self.now
        )

    @rule(target=known, lasting=st.booleans())
    def permit(self, *, lasting: bool) -> tuple[str, Known]:
        """Give a code for a new grant."""
        scopes = ("patient/*.rs", "offline_access") if lasting else ("patient/*.rs",)
        grant = Grant(f"g{len(self.all)}", "app", ADA, scopes, self.now)
        code = self._run(
            self.grants.give_code(grant, CALLBACK, challenge_of(VERIFIER), now=self.now)
        )
        known = Known(grant, self.now)
        self.all.append(known)
        return code, known

    @rule(pair=known)
    def redeem(self, pair: tuple[str, Known]) -> None:
        """Bring a code as its app does, the first time or again."""
        code, known = pair
        late = self.now >= known.given + CODE_LASTS
        good = not (late or known.code_used)

        assert self._refused(self._redeeming(code, "app", VERIFIER)) is not good

        if known.code_used:
            known.over, known.good = True, None
        elif good:
            known.code_used = True
            if known.grant.is_renewable and not known.over:
                known.good = self._run(self.grants.first_refresh_token(known.grant, now=self.now))

    @rule(pair=known, thief=st.sampled_from([("other", VERIFIER), ("app", "w" * 43)]))
    def steal(self, pair: tuple[str, Known], thief: tuple[str, str]) -> None:
        """Bring a code as another client, or without the verifier: it is of no use, and not used up."""
        code, known = pair

        assert self._refused(self._redeeming(code, *thief))

        if known.code_used:
            known.over, known.good = True, None

    @rule(pair=known)
    def renew(self, pair: tuple[str, Known]) -> None:
        """Bring the refresh token that is good."""
        known = pair[1]
        if known.good is None:
            return
        grant, following = self._run(self.grants.renew(known.good, client_id="app", now=self.now))
        assert grant == known.grant
        known.old.append(known.good)
        known.good = following

    @rule(pair=known, data=st.data())
    def renew_again(self, pair: tuple[str, Known], data: st.DataObject) -> None:
        """Bring one that was used before."""
        known = pair[1]
        if not known.old:
            return
        old = data.draw(st.sampled_from(known.old))

        assert self._refused(self.grants.renew(old, client_id="app", now=self.now))

        known.over, known.good = True, None

    @rule(pair=known)
    def withdraw(self, pair: tuple[str, Known]) -> None:
        """End a grant."""
        known = pair[1]
        self._run(self.grants.withdraw(known.grant.id, now=self.now))
        known.over, known.good = True, None

    @rule(seconds=st.sampled_from([0, 1, 30, 59]))
    def wait(self, seconds: int) -> None:
        """Let time pass, less than an hour in all that one run does."""
        self.now += seconds * SECOND

    @invariant()
    def what_is_over_gives_nothing_and_what_is_good_is_good(self) -> None:
        """Compare all grants with the model."""
        self._run(self.revocations.refresh(self.now + SECOND))
        for known in self.all:
            covered = self.revocations.cover([f"grant:{known.grant.id}"], known.given / SECOND)
            assert covered is known.over
            for token in known.old:
                assert self._run(self.grants.of_refresh_token(token, now=self.now)) is None
            if known.good is not None:
                found = self._run(self.grants.of_refresh_token(known.good, now=self.now))
                assert found == known.grant


TestCodes = Codes.TestCase
TestCodes.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
