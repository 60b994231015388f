"""Pages from templates: every value is escaped, and nothing but our own style sheet is loaded."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse, RedirectResponse

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"
STYLE = (_FOLDER / "style.css").read_text(encoding="utf-8")

SAFE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page(
    template: str, status: int = 200, *, leads_to: Collection[str] = (), **context: Any
) -> HTMLResponse:
    """Return a page; `leads_to` are the schemes of addresses outside that its forms may end at."""
    defaults = {"user": None, "wrong": None, "csrf_token": "", "handle": ""}
    text = _templates().get_template(f"{template}.html").render(defaults | context)
    headers = SAFE | {"Content-Security-Policy": _policy(leads_to), "X-Frame-Options": "DENY"}
    return HTMLResponse(text, status, headers)


@cache
def _templates() -> Environment:
    # Here, since a node starts a tenth of a second sooner without it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
    )


def redirect(url: str) -> RedirectResponse:
    """Send the browser on, with GET whatever it sent."""
    return RedirectResponse(url, 303, SAFE)


def _policy(leads_to: Collection[str]) -> str:
    # Schemes, not the app's origin: browsers ask this of every redirect that follows a form, and an app may redirect
    # from its callback to wherever it lives.
    targets = " ".join(["'self'", *(f"{each}:" for each in sorted(leads_to))])
    return (
        f"default-src 'none'; style-src 'self'; form-action {targets}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
