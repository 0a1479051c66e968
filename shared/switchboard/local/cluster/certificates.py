"""A certificate authority of its own, and certificates for servers and clients on loopback."""

import datetime
import ipaddress
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_DAYS = 3650


@dataclass(frozen=True)
class Certificates:
    """Files of a directory: `ca.pem`, and a certificate and key for each name."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "ca.pem"

    def certificate(self, name: str) -> Path:
        return self.directory / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def make(self, *names: str) -> None:
        """Make an authority and a certificate, signed by it, for each name."""
        self.directory.mkdir(parents=True, exist_ok=True)
        issuer, issuer_key = _name("Switchboard tests"), ec.generate_private_key(ec.SECP256R1())
        authority = _builder(issuer, issuer, issuer_key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.authority.write_bytes(_pem(authority.sign(issuer_key, hashes.SHA256())))
        for name in names:
            key = ec.generate_private_key(ec.SECP256R1())
            hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            signed = _builder(_name(name), issuer, key).add_extension(
                x509.SubjectAlternativeName(hosts), critical=False
            )
            self.certificate(name).write_bytes(_pem(signed.sign(issuer_key, hashes.SHA256())))
            self._write_key(name, key)

    def give(self, name: str, user: str) -> None:
        """Make `user` the owner of a key, which its server demands."""
        shutil.chown(self.key(name), user, user)

    def _write_key(self, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        file = self.key(name)
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
