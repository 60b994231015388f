"""`fhir-server serve`: one node on a port, in one process or several."""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import sys
from pathlib import Path

from fhir_server.auth.addresses import is_loopback
from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, settings_of
from fhir_server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags: all settings."""
    add_settings(parser)


def run(arguments: argparse.Namespace) -> None:
    """Serve until stopped; raise CommandFailed where that cannot begin."""
    settings = settings_of(arguments)
    _check(settings)
    listener = listen(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    # Here, so that `serve --help` does not load a server.
    from fhir_server.cli.processes import serve_alone, serve_with_workers  # noqa: PLC0415

    with listener:
        if settings.workers == 1:
            serve_alone(settings, listener, lambda: announce(settings))
        else:
            serve_with_workers(settings, listener, lambda: announce(settings))


def _check(settings: Settings) -> None:
    """Raise CommandFailed for what would fail later and less clearly."""
    if settings.tls_cert is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except OSError as error:
            raise CommandFailed(f"the TLS certificate or key cannot be used: {error}") from error
    if settings.is_in_a_file:
        _check_file(settings.store_path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise CommandFailed(f"store: {path} is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"store: {path.parent} cannot be made: {error.strerror}") from error
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandFailed(f"store: {path} is not writable")


def listen(settings: Settings) -> socket.socket:
    """Return a socket on the address of the settings; raise CommandFailed if it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CommandFailed(
            f"port {settings.port} of {settings.host} cannot be used: {error.strerror}"
        ) from error
    listener.set_inheritable(True)
    return listener


def announce(settings: Settings) -> None:
    """Tell where it listens, and when others could read along."""
    if settings.tls_cert is None and not is_loopback(settings.host):
        warning = (
            "tokens and records are sent unencrypted: give tls_cert, or encrypt in front of it"
        )
        print(f"fhir-server serve: {warning}", file=sys.stderr, flush=True)  # noqa: T201
    print(f"FHIR R4 at {settings.base_url or settings.origin + '/fhir'}", flush=True)  # noqa: T201
    if settings.has_authorization_server:
        told = f"tokens at {settings.issuer}/auth/token; for a first try: fhir-server token --help"
        print(told, flush=True)  # noqa: T201
