"""PostgreSQL, MariaDB and a mail server through a whole node, with the clients that people use."""

import hashlib
import smtplib
import socket
import socketserver
import subprocess

import pytest

from nodeproxy.demo.threaded import serving
from tests.fakes.bare_mesh import bare_mesh
from tests.fakes.bare_services import Served
from tests.fakes.databases import Session, mariadb, postgres
from tests.fakes.node import LIMIT_S, until

ROWS, ROW_BYTES = 100_000, 1025  # 100 MB
SQL = 5432


def mail_server():
    """A server that greets its clients before they say anything (RFC 5321, 3.1)."""

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 mail.test ready\r\n")
            for line in self.rfile:
                self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 yes\r\n")

    return serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases") / "mesh"
    tables = {"sql": "timeouts: {idle: 100ms}", "brief": "timeouts: {tcpIdle: 2s}"}
    with bare_mesh(folder, **tables) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def sql(mesh):
    """PostgreSQL, at mesh addresses as `sql`, and as `brief` with a limit on silence."""
    with postgres() as server:
        server.address = mesh.serve("sql", Served(SQL, server.port, "postgresql"))
        server.brief = mesh.serve("brief", Served(SQL, server.port, "postgresql"))
        yield server


def test_a_session_of_psql(sql):
    statements = ("CREATE TABLE pets (name text)", "BEGIN", "INSERT INTO pets VALUES ('cat')", "ROLLBACK")
    statements += ("INSERT INTO pets VALUES ('dog')", "SELECT name, length(repeat(name, 1000000)) FROM pets")

    assert sql.ask(sql.address, SQL, *statements) == ["dog|3000000"]
    with pytest.raises(AssertionError, match='relation "horses" does not exist'):
        sql.ask(sql.address, SQL, "SELECT * FROM horses")


def test_copies_of_a_hundred_megabytes_arrive_whole(mesh, sql):
    lines = [f"{hashlib.sha256(b'%d' % number).hexdigest() * 16}\n".encode() for number in range(ROWS)]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    table = "CREATE UNLOGGED TABLE lines (line text)"
    copy_in = sql.command(sql.address, SQL, "--command=COPY lines FROM STDIN")
    copy_out = sql.command(sql.address, SQL, "--command=COPY lines TO STDOUT")

    sql.ask(sql.address, SQL, table)
    subprocess.run(copy_in, input=b"".join(lines), check=True, timeout=8 * LIMIT_S)
    received = subprocess.run(copy_out, capture_output=True, check=True, timeout=8 * LIMIT_S).stdout

    assert len(received) == ROWS * ROW_BYTES
    assert hashlib.sha256(received).hexdigest() == digest
    for way in ("to_endpoint", "to_client"):
        until(lambda way=way: relayed(mesh, way) > ROWS * ROW_BYTES, f"the bytes {way} to be reported")


def relayed(mesh, way):
    return mesh.sample("nodeproxy_connection_bytes_total", service="sql", direction=way) or 0


def test_a_notification_arrives_however_long_the_session_has_been_silent(mesh, sql):
    with (
        Session(sql.command(sql.address, SQL)) as listener,
        Session(sql.command(sql.brief, SQL)) as busy,
        socket.create_connection((sql.brief, SQL), LIMIT_S) as silent,
    ):
        listener.ask("LISTEN news")
        silent.setblocking(False)
        until(lambda: busy.ask("SELECT 1") == ["1"] and ended(silent), "the silent connection to be closed")
        sql.ask("127.0.0.1", sql.port, "NOTIFY news, 'hello'")
        (notification,) = listener.ask("SET application_name = 'awake'")

    assert notification.startswith('Asynchronous notification "news" with payload "hello" received')
    until(lambda: connections(mesh, "brief", reason="timeout") == 1, "the end of the silent connection to be reported")
    assert mesh.sample("nodeproxy_policy_decisions_total", service="brief", outcome="tcp-idle") == 1


def connections(mesh, service, **labels):
    return mesh.sample("nodeproxy_connections_total", service=service, **labels)


def ended(sock):
    """Whether the other end has closed or reset the connection."""
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_a_server_that_speaks_first_and_begins_tls_within_its_protocol(mesh):
    with mariadb() as server:
        address = mesh.serve("maria", Served(3306, server.port, "mysql"))

        plain = server.ask(address, 3306, "SELECT 1; SELECT REPEAT('x', 10000000)", "--skip-ssl")
        (status,) = server.ask(address, 3306, "SHOW STATUS LIKE 'Ssl_cipher'", "--ssl", "--skip-ssl-verify-server-cert")

    assert plain == ["1", "x" * 10_000_000]
    assert status.split("\t")[1].startswith("TLS_")


def test_a_mail_server_is_heard_before_its_client_says_anything(mesh):
    with mail_server() as port:
        address = mesh.serve("mail", Served(25, port, "smtp"))

        with smtplib.SMTP(address, 25, "client.test", LIMIT_S) as client:
            answers = client.ehlo_resp or client.ehlo()[1], client.noop()

    assert answers == (b"yes", (250, b"yes"))
