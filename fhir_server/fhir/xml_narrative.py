"""The XHTML of a narrative, which JSON holds as text: https://hl7.org/fhir/R4/narrative.html#xhtml."""

from __future__ import annotations

from pyexpat import ExpatError, ParserCreate

from fhir_server.fhir.xml_shapes import XHTML

_DIV = f"{XHTML} div"


def fault_of(div: str) -> str | None:
    """Return why a text is no XHTML div that can stand in any XML document; None if it is one."""
    if not div.startswith("<div"):
        # Also keeps out an XML declaration and a DOCTYPE: neither can follow an element.
        return "it does not begin with <div"
    roots: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        roots.append(name)
        parser.StartElementHandler = None

    parser = ParserCreate("utf-8", " ")
    parser.StartElementHandler = start
    try:
        parser.Parse(div.encode(), True)  # noqa: FBT003  Expat's own: this is all of it
    except (ExpatError, UnicodeEncodeError) as error:
        return f"it is not well-formed ({error})"
    return None if roots == [_DIV] else f'it does not declare xmlns="{XHTML}" itself'
