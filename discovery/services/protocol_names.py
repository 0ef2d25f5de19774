"""What the names and the numbers of ports say of their protocol. Tables alone: `spoken` decides by them.

Source: IANA's registry of service names and port numbers; Kubernetes, KEP-1507 and KEP-3726 (its own appProtocols);
Istio's protocol selection (prefixes of port names; 25, 53, 3306 and 27017 are not detected: pkg/config/kube); Linkerd's
default opaque ports (25, 587, 3306, 4444, 5432, 6379, 9300, 11211: charts/linkerd-control-plane/values.yaml).
"""

from collections.abc import Mapping
from typing import NamedTuple

from nodeproxy.mesh.model import PortProtocol

TCP_NAMES = (
    "amqp", "cassandra", "cql", "dns", "ftp", "imap", "kafka", "ldap", "mariadb", "memcache", "memcached", "mongo",
    "mongodb", "mqtt", "mssql", "mysql", "mysqlx", "nats", "pgsql", "pop3", "postgres", "postgresql", "redis", "sftp",
    "smtp", "ssh", "stomp", "submission", "tcp", "telnet", "valkey", "zookeeper",
)  # fmt: skip
TLS_NAMES = (
    "https", "tls", "amqps", "ftps", "imaps", "ldaps", "mqtts", "pop3s", "rediss", "smtps", "submissions",
)  # fmt: skip

PREFIXES: Mapping[str, PortProtocol] = {
    "http": "http",
    "http2": "http2",
    "grpc": "http2",
    **dict.fromkeys(TLS_NAMES, "tls"),
    **dict.fromkeys(TCP_NAMES, "tcp"),
    # a name cannot make a TCP port a UDP one; it only excludes HTTP
    "udp": "tcp",
}
"""By what a port's name, or an appProtocol, has before its first "-", as in Istio."""

WORDS: Mapping[str, PortProtocol] = {
    **PREFIXES,
    "http1": "http",
    "http1.0": "http",
    "http1.1": "http",
    "http/1.0": "http",  # as ALPN has it (RFC 7301, 6)
    "http/1.1": "http",
    "web": "http",
    "www": "http",  # IANA's aliases of "http"
    "www-http": "http",
    "ws": "http",  # a WebSocket handshake is an HTTP/1.1 request
    "kubernetes.io/ws": "http",
    "h2": "http2",
    "h2c": "http2",
    "http/2": "http2",
    "kubernetes.io/h2c": "http2",
    "ssl": "tls",
    "wss": "tls",
    "kubernetes.io/wss": "tls",
    "linkerd.io/opaque": "tcp",
}
"""By a whole appProtocol, or what a port's name has before its first "-"."""


class Known(NamedTuple):
    """The protocol of a port whose number is well known and whose name says nothing."""

    protocol: PortProtocol
    name: str


# Those whose servers speak first, or whose clients may be silent for long, so that looking at the first bytes takes
# time; and those that never carry HTTP, so that no bytes are looked at for nothing. 4444 of Linkerd's list
# (Galera) is not here: Selenium's HTTP has it too, and a server that speaks first is noticed within `detect`.
NUMBERS: Mapping[int, Known] = {
    21: Known("tcp", "FTP"),
    22: Known("tcp", "SSH"),
    25: Known("tcp", "SMTP"),
    53: Known("tcp", "DNS"),
    110: Known("tcp", "POP3"),
    143: Known("tcp", "IMAP"),
    389: Known("tcp", "LDAP"),
    443: Known("tls", "HTTPS"),  # RFC 9110, 4.2.2
    465: Known("tls", "mail submission over TLS"),
    587: Known("tcp", "mail submission"),
    636: Known("tls", "LDAP over TLS"),
    993: Known("tls", "IMAP over TLS"),
    995: Known("tls", "POP3 over TLS"),
    1433: Known("tcp", "Microsoft SQL Server"),
    1521: Known("tcp", "Oracle"),
    1883: Known("tcp", "MQTT"),
    2181: Known("tcp", "ZooKeeper"),
    3306: Known("tcp", "MySQL, MariaDB"),
    4222: Known("tcp", "NATS"),
    5432: Known("tcp", "PostgreSQL"),
    5671: Known("tls", "AMQP over TLS"),
    5672: Known("tcp", "AMQP"),
    6379: Known("tcp", "Redis, Valkey"),
    8883: Known("tls", "MQTT over TLS"),
    9042: Known("tcp", "Cassandra"),
    9092: Known("tcp", "Kafka"),
    9300: Known("tcp", "Elasticsearch transport"),
    11211: Known("tcp", "memcached"),
    26379: Known("tcp", "Redis Sentinel"),
    27017: Known("tcp", "MongoDB"),
    33060: Known("tcp", "MySQL X"),
    61613: Known("tcp", "STOMP"),
    61616: Known("tcp", "ActiveMQ"),
}
