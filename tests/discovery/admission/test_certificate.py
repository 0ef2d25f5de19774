"""The certificate, as Python's own TLS judges it."""

import os
import ssl
import time
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from discovery.admission.certificate import AUTHORITIES_MOST, Identity, end_of, fault, made
from discovery.admission.rotation import context_of

HOST = "nodeproxy-admission.nodeproxy.svc"
DAY_S = 86_400.0
NOW = 1_800_000_000.0


def shaken(authorities, identity, host=HOST):
    """Two ends in memory shake hands; raises SSLError as the client does."""
    return handshake(ssl.create_default_context(cadata=authorities.decode()), context_of(identity), host).version()


def handshake(client, server, host=HOST):
    """The client's end, after it."""
    ends = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine = client.wrap_bio(*ends, server_hostname=host)
    other = server.wrap_bio(*reversed(ends), server_side=True)
    for _ in range(4):
        for end in (mine, other):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return mine


USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign")  # fmt: skip


def rights(certificate):
    """What a certificate may be used for: whether it is an authority, above how many others, and its key's uses."""
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return basic.ca, basic.path_length, [each for each in USES if getattr(usage, each)]


def critical(certificate):
    """The extensions that a client has to understand."""
    return {type(each.value) for each in certificate.extensions if each.critical}


@pytest.fixture
def now():
    return time.time()


def test_a_client_that_trusts_the_authority_takes_the_certificate(now):
    identity = made(HOST, now)

    assert shaken(identity.authorities, identity) == "TLSv1.3"


def test_for_another_name_it_does_not(now):
    identity = made(HOST, now)

    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(identity.authorities, identity, "other.nodeproxy.svc")


def test_a_name_longer_than_a_common_name_may_be_is_that_of_the_certificate(now):
    host = f"{'a' * 63}.{'b' * 63}.svc"
    identity = made(host, now)

    assert shaken(identity.authorities, identity, host) == "TLSv1.3"


def test_the_authority_only_signs_and_the_certificate_only_serves():
    identity = made(HOST, NOW)
    authority, own = (x509.load_pem_x509_certificate(each) for each in (identity.authorities, identity.certificate))

    assert rights(authority) == (True, 0, ["key_cert_sign"])
    assert rights(own) == (False, None, ["digital_signature"])
    assert critical(authority) == critical(own) == {x509.BasicConstraints, x509.KeyUsage}
    served = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(served) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_context_speaks_http_1_and_leaves_no_descriptor_open(now):
    identity = made(HOST, now)
    before = os.listdir("/proc/self/fd")
    contexts = [context_of(identity) for _ in range(3)]
    after = os.listdir("/proc/self/fd")
    client = ssl.create_default_context(cadata=identity.authorities.decode())
    client.set_alpn_protocols(["h2", "http/1.1"])

    mine = handshake(client, contexts[0])

    assert mine.selected_alpn_protocol() == "http/1.1"
    assert len(after) == len(before)


def test_during_a_rotation_both_the_old_and_the_new_one_are_trusted(now):
    old = made(HOST, now)

    new = made(HOST, now, old)

    assert shaken(new.authorities, old) == shaken(new.authorities, new) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(old.authorities, new)


def test_of_the_authorities_those_that_ended_and_the_oldest_are_dropped():
    identity = made(HOST, NOW)
    for _ in range(5):
        identity = made(HOST, NOW, identity)

    assert identity.authorities.count(b"BEGIN") == AUTHORITIES_MOST
    assert made(HOST, NOW + 91 * DAY_S, identity).authorities.count(b"BEGIN") == 1


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
    identity, other = made(HOST, NOW), made(HOST, NOW)

    assert "cannot be read" in fault(Identity(b"", b"nonsense", b""), HOST, NOW)
    assert "cannot be read" in fault(identity._replace(authorities=other.authorities), HOST, NOW)
    assert fault(identity._replace(key=other.key), HOST, NOW) == "its key is of another certificate"
    assert fault(identity, "other.svc", NOW) == "it is not for other.svc"
    assert end_of(made(HOST, NOW, Identity(b"nonsense", b"", b""))) == end_of(identity)
