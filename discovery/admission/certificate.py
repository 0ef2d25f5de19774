"""The certificate that the webhook serves with, and the authority that has signed it. Pure but for randomness.

Each certificate has an authority of its own, whose key is forgotten once it has signed: there is no key to steal that
could sign another one. The bundle that clients trust holds the newest authorities, so that the certificate of before
is trusted as long as some replica serves with it.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=90)
RENEWED_BEFORE = timedelta(days=30)  # its end: a month in which an operator can notice that renewing fails
SKEW = timedelta(hours=1)  # between the clocks of this host and of the API server
AUTHORITIES_MOST = 3  # in the bundle


class Identity(NamedTuple):
    """What the webhook proves itself with, as PEM: the trusted authorities, newest first; the certificate; its key."""

    authorities: bytes
    certificate: bytes
    key: bytes


def made(name: str, now: float, *before: Identity) -> Identity:
    """A new certificate for the DNS name `name`; `now` is Unix time in seconds.

    The authorities of those `before` stay trusted until they end.
    """
    start = datetime.fromtimestamp(now, UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"nodeproxy admission {start:%Y-%m-%dT%H:%M:%SZ}")])
    authority = _signed(issuer, issuer, authority_key, authority_key, start, _of_authority(authority_key))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # RFC 5280: ub-common-name
    own = _signed(subject, issuer, key, authority_key, start, _of_server(name, authority_key))
    known = {each: None for identity in before for each in _authorities(identity) if each.not_valid_after_utc > start}
    trusted = [authority, *known]
    return Identity(
        b"".join(each.public_bytes(Encoding.PEM) for each in trusted[:AUTHORITIES_MOST]),
        own.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def fault(identity: Identity, name: str, now: float) -> str:
    """Why this certificate has to be replaced at `now` (Unix time, seconds), "" if it has not."""
    time = datetime.fromtimestamp(now, UTC)
    try:
        own = x509.load_pem_x509_certificate(identity.certificate)
        key = load_pem_private_key(identity.key, None)
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        own.verify_directly_issued_by(x509.load_pem_x509_certificates(identity.authorities)[0])
    except Exception as error:
        return f"it cannot be read: {type(error).__name__}"
    if key.public_key() != own.public_key():
        return "its key is of another certificate"
    if name not in names.get_values_for_type(x509.DNSName):
        return f"it is not for {name}"
    if not own.not_valid_before_utc <= time:
        return "it is not valid yet"
    if time >= own.not_valid_after_utc - RENEWED_BEFORE:
        return f"it ends {own.not_valid_after_utc:%Y-%m-%d}"
    return ""


def end_of(identity: Identity) -> datetime:
    """When a readable certificate ends."""
    return x509.load_pem_x509_certificate(identity.certificate).not_valid_after_utc


def _authorities(identity: Identity) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(identity.authorities)
    except ValueError:
        return []


def _of_authority(key: ec.EllipticCurvePrivateKey) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(certificates=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    )


def _of_server(name: str, authority: ec.EllipticCurvePrivateKey) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(name)]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=certificates, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    start: datetime,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...],
) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start - SKEW).not_valid_after(start + VALID)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(by, SHA256())
