"""The limit: an ASGI application that answers the same bytes to everything, under the same server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import uvicorn


def constant(body: bytes) -> Any:
    """Return the application."""
    headers = [
        (b"content-type", b"application/fhir+json"),
        (b"content-length", str(len(body)).encode()),
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's form
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


def main() -> None:
    """Serve the bytes of a file on a port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    config = uvicorn.Config(
        constant(given.file.read_bytes()),
        port=given.port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    # Not `asyncio.run`: it would choose another event loop than the one that we are measured on.
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
