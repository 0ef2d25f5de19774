"""PostgreSQL and MariaDB as Debian has them: started on loopback with empty data that need not survive."""

import signal
import subprocess
from contextlib import contextmanager

from tests.fakes.node import LIMIT_S, until
from tests.fakes.ports import free_port
from tests.fakes.programs import listens, own_folder, program, running, said, unprivileged

POSTGRES_SETTINGS = {  # as fast as it goes: nothing is written ahead, nor synchronised
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "autovacuum": "off", "shared_buffers": "16MB", "max_wal_size": "4GB",
    "authentication_timeout": "600s",  # of silent clients
}  # fmt: skip
MARIADB_FLAGS = (
    "--no-defaults", "--bind-address=127.0.0.1", "--skip-grant-tables", "--skip-log-bin", "--skip-name-resolve",
    "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0",
)  # fmt: skip


def psql_command(psql, host, port, *words):
    """The words that run psql: it prints rows and nothing else, and ends at the first error."""
    flags = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
    where = f"host={host} port={port} user=postgres dbname=postgres connect_timeout=60"
    return [psql, *flags, where, *words]


class Postgres:
    """A server whose every user is trusted, and its psql."""

    def __init__(self, port, psql):
        self.port, self.psql = port, psql

    def command(self, host, port, *words):
        """The words that run psql there."""
        return psql_command(self.psql, host, port, *words)

    def ask(self, host, port, *statements):
        """The rows that these statements answer with."""
        return said(*self.command(host, port, *(f"--command={each}" for each in statements))).splitlines()


@contextmanager
def postgres():
    """A running server."""
    initdb, server, psql = (program("postgresql", name) for name in ("initdb", "postgres", "psql"))
    with own_folder() as folder:
        data, port = folder / "data", free_port()
        said(
            *unprivileged(initdb, f"--pgdata={data}", "--auth=trust", "--username=postgres", "--no-sync", "--locale=C")
        )
        flags = [f"-c{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        command = unprivileged(server, "-D", data, "-k", folder, "-h", "127.0.0.1", "-p", port, *flags)
        with running(*command, log=folder / "log", end=signal.SIGQUIT, folder=folder):
            found = Postgres(port, psql)
            until(lambda: _answers(found), "PostgreSQL")
            yield found


def _answers(server):
    words = server.command("127.0.0.1", server.port, "--command=SELECT 1")
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


class Session:
    """psql, as somebody types into it."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(LIMIT_S)
        self._process.stdout.close()

    def ask(self, statement):
        """The lines that it prints for a statement."""
        self._process.stdin.write(f"{statement};\n\\echo over\n")
        self._process.stdin.flush()
        return list(iter(self._line, "over"))

    def _line(self):
        line = self._process.stdout.readline()
        assert line, "psql has ended"
        return line.rstrip("\n")


class MariaDb:
    """A server that lets everybody in and offers TLS, and its client."""

    def __init__(self, port, client):
        self.port, self._client = port, client

    def ask(self, host, port, statement, *flags):
        """The rows that a statement answers with."""
        where = (f"--host={host}", f"--port={port}", "--protocol=TCP", "--user=root")
        plain = ("--no-defaults", "--batch", "--skip-column-names")
        return said(self._client, *plain, *where, *flags, f"--execute={statement}").splitlines()


@contextmanager
def mariadb():
    """A running server. It has no users and no system tables: none are needed to speak to it."""
    server, client = program("mariadb-server-core", "mariadbd"), program("mariadb-client-core", "mariadb")
    openssl = program("openssl", "openssl")
    with own_folder() as folder:
        port, key, certificate = free_port(), folder / "key.pem", folder / "certificate.pem"
        (folder / "data").mkdir(mode=0o777)
        (folder / "data").chmod(0o777)
        new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db")
        said(*unprivileged(openssl, *new, "-keyout", key, "-out", certificate))
        places = (
            f"--datadir={folder / 'data'}",
            f"--socket={folder / 'socket'}",
            f"--tmpdir={folder}",
            f"--port={port}",
        )
        tls = (f"--ssl-cert={certificate}", f"--ssl-key={key}")
        command = unprivileged(server, *MARIADB_FLAGS, *places, *tls)
        with running(*command, log=folder / "log", end=signal.SIGTERM, folder=folder):
            until(lambda: listens(port), "MariaDB")
            yield MariaDb(port, client)
