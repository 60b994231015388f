"""The session over HTTPS, as browsers keep it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.browser import profile, running_browser
from tests.support.nodes import running_node
from tests.support.smart import CLINICIAN, PASSWORD, enrol


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Write a certificate of this machine by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today)
        .not_valid_after(today + timedelta(days=3650))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, SHA256())
    )
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    return paths


def test_nobody_but_this_site_can_set_or_read_the_session(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "fhir.db"
    enrol(store, CLINICIAN)
    flags = ("--auth", "smart", "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    with running_node(store, *flags) as node, running_browser() as browser:
        context = profile(browser, ignore_https_errors=True)
        page = context.new_page()
        page.goto(f"{node.origin}/auth/sign-in")
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Choose a patient").wait_for()
        (cookie,) = context.cookies()
        seen_by_scripts = page.evaluate("document.cookie")

    assert cookie["name"] == "__Host-session"
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert cookie["expires"] == -1
    assert seen_by_scripts == ""
