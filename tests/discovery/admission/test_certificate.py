"""The certificate, as Python's own TLS judges it."""

import ssl
import time
from contextlib import suppress

import pytest
from cryptography import x509

from discovery.admission.certificate import AUTHORITIES_MOST, Kept, end_of, fault, made
from discovery.admission.rotation import context_of

HOST = "nodeproxy-admission.nodeproxy.svc"
DAY_S = 86_400.0
NOW = 1_800_000_000.0


def shaken(authorities, kept, host=HOST):
    """Two ends in memory shake hands; raises SSLError as the client does."""
    client = ssl.create_default_context(cadata=authorities.decode())
    ends = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine = client.wrap_bio(*ends, server_hostname=host)
    other = context_of(kept).wrap_bio(*reversed(ends), server_side=True)
    for _ in range(4):
        for end in (mine, other):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return mine.version()


@pytest.fixture
def now():
    return time.time()


def test_a_client_that_trusts_the_authority_takes_the_certificate(now):
    kept = made(HOST, now)

    assert shaken(kept.authorities, kept) == "TLSv1.3"


def test_for_another_name_it_does_not(now):
    kept = made(HOST, now)

    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(kept.authorities, kept, "other.nodeproxy.svc")


def test_the_key_of_a_server_signs_handshakes_and_no_certificates():
    extensions = x509.load_pem_x509_certificate(made(HOST, NOW).certificate).extensions

    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical and not constraints.value.ca
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign


def test_during_a_rotation_both_the_old_and_the_new_one_are_trusted(now):
    old = made(HOST, now)

    new = made(HOST, now, old)

    assert shaken(new.authorities, old) == shaken(new.authorities, new) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(old.authorities, new)


def test_of_the_authorities_those_that_ended_and_the_oldest_are_dropped():
    kept = made(HOST, NOW)
    for _ in range(5):
        kept = made(HOST, NOW, kept)

    assert kept.authorities.count(b"BEGIN") == AUTHORITIES_MOST
    assert made(HOST, NOW + 91 * DAY_S, kept).authorities.count(b"BEGIN") == 1


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (0, ""),
        (-1 / 24, ""),  # the clock of a client may be an hour behind
        (-1.01 / 24, "it is not valid yet"),
        (59.9, ""),
        (60.1, "it ends 2027-04-15"),
        (200, "it ends 2027-04-15"),
    ],
)
def test_it_is_replaced_a_month_before_its_end(days, reason):
    assert fault(made(HOST, NOW), HOST, NOW + days * DAY_S) == reason


def test_what_somebody_has_broken_is_replaced():
    kept, other = made(HOST, NOW), made(HOST, NOW)

    assert "cannot be read" in fault(Kept(b"", b"nonsense", b""), HOST, NOW)
    assert "cannot be read" in fault(kept._replace(authorities=other.authorities), HOST, NOW)
    assert fault(kept._replace(key=other.key), HOST, NOW) == "its key is of another certificate"
    assert fault(kept, "other.svc", NOW) == "it is not for other.svc"
    assert end_of(made(HOST, NOW, Kept(b"nonsense", b"", b""))) == end_of(kept)
