"""Certificates for tests: an authority, and what it signs for a host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_FROM = datetime(2026, 1, 1, tzinfo=UTC)
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key, as PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; `certificate` is the file of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        basic = x509.BasicConstraints(ca=True, path_length=None)
        made = (
            _builder(self._name, self._key)
            .issuer_name(self._name)
            .add_extension(basic, critical=True)
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def signed(self, host: str) -> Files:
        """Return a certificate for a name or an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        named = x509.SubjectAlternativeName([_general(host)])
        made = _builder(subject, key).issuer_name(self._name).add_extension(named, critical=False)
        files = Files(self._folder / f"{host}.pem", self._folder / f"{host}.key")
        files.certificate.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        files.key.write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return files


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_FROM + timedelta(days=36_500))
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
