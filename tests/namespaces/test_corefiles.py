"""Real CoreDNS loads what is written into every usual Corefile, and follows it."""

import signal
import sys

import pytest

from discovery.cluster_dns import custom
from discovery.cluster_dns.coredns import with_mesh
from discovery.cluster_dns.texts import Upstream
from tests.discovery.cluster_dns.corefiles import AKS, ALL, K3S
from tests.fakes.coredns import program
from tests.fakes.namespaces import Node

NODE = Upstream("169.254.77.1")
ASK = """
import time, dns.exception, dns.message, dns.query
end = time.monotonic() + 55
while True:
    try:
        question = dns.message.make_query("web.mesh.shop.svc.cluster.local", "TXT")
        answer = dns.query.udp(question, "127.0.0.1", 5)
        break
    except (dns.exception.DNSException, OSError):
        assert time.monotonic() < end
print(*(record.to_text() for rrset in answer.answer for record in rrset))
"""


def without_api_server(corefile):
    """The Corefile with an API server that there is not, instead of that of the pod's own account."""
    nowhere = "endpoint http://127.0.0.1:1"
    return corefile.replace("pods ", f"{nowhere}\n       pods ").replace("10.0.0.10 ", "127.0.0.1 ")


def written(folder, corefile):
    """Files as CoreDNS has them in its pod, for the style `coredns`."""
    folder.mkdir()
    (folder / "Corefile").write_text(without_api_server(with_mesh(corefile, NODE)), newline="")


def written_beside(folder, corefile):
    """Likewise for the style `coredns-custom`."""
    (folder / "custom").mkdir(parents=True)
    (folder / "Corefile").write_text(without_api_server(corefile).replace("/etc/coredns/custom", "custom"))
    for key, text in custom.keys(NODE, corefile).items():
        (folder / "custom" / key).write_text(text)


@pytest.fixture
def node():
    with Node() as node:
        yield node


def test_every_usual_corefile_with_the_meshs_part_is_loaded_and_followed(node, tmp_path):
    command = program()
    for name, corefile in ALL.items():
        written(tmp_path / name, corefile)
    for name, corefile in (("beside aks", AKS), ("beside k3s", K3S)):
        written_beside(tmp_path / name, corefile)

    pods = {}
    for number, folder in enumerate(sorted(tmp_path.iterdir()), start=1):
        pods[folder] = node.pod(number)
        server = (command, "-conf", str(folder / "Corefile"))
        node.start(*server, namespace=pods[folder], log=folder / "log", stop=signal.SIGKILL)

    answers = {folder.name: node.run(sys.executable, "-c", ASK, namespace=pod).stdout for folder, pod in pods.items()}
    assert answers == dict.fromkeys(answers, "web.shop.mesh.\n") and len(answers) == len(ALL) + 2
