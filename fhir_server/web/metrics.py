"""Whom the counters are told: they tell which member of a federation was asked, and when, and how long each answer took."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest

from prometheus_client import CollectorRegistry


@dataclass(frozen=True, slots=True)
class Metrics:
    """The counters in `registry`, for who sends `token`; None: for everyone if they are `open`, else for nobody."""

    registry: CollectorRegistry
    token: str | None
    open: bool

    def permits(self, authorization: str) -> bool:
        """Tell whether who sends this header Authorization may read them."""
        if self.token is None:
            return self.open
        scheme, _, sent = authorization.partition(" ")
        return scheme.lower() == "bearer" and compare_digest(
            sent.strip().encode(), self.token.encode()
        )
