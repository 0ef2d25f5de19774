"""A real kube-apiserver with etcd, RBAC and the controllers of services, on loopback, as long as a test needs it."""

import json
import os
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path

from tests.fakes.ports import free_port

LIMIT_S = 180.0  # of any wait, on a busy machine; starting takes about five seconds
ADMIN, CONTROLLERS, SCHEDULER, PROXY = "admin-token", "controllers-token", "scheduler-token", "proxy-token"
ALWAYS = ("etcd", "kube-apiserver", "kube-controller-manager")


def home():
    """Where `make kube` puts the programs."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("KUBE_HOME") or caches / "nodeproxy" / "kube") / "bin"


def node_token(node):
    """What the kubelet of a node says who it is."""
    return f"{node}-token"


class ControlPlane:
    """etcd, API server and controller manager; each can be killed and started again on the same data.

    With `nodes`, a scheduler too, and the API server at an `address` that these nodes reach.
    """

    def __init__(self, folder: Path, address="127.0.0.1", nodes=()):
        self.folder = folder
        self.address = address
        self.nodes = tuple(nodes)
        self.etcd, self.peer, self.port = free_port(), free_port(), free_port()
        self.url = f"https://{address}:{self.port}"
        self.processes = {}
        self._write_keys()

    def __enter__(self):
        try:
            for name in (*ALWAYS, "kube-scheduler") if self.nodes else ALWAYS:
                self.start(name)
            self.until(lambda: self.kubectl("get", "serviceaccount", "default").returncode == 0, "the default account")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(list(self.processes)):
            self.kill(name)

    def start(self, name):
        """Start one of the three and wait until it serves."""
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                # ends with the test run, however that ends
                ["setpriv", "--pdeathsig=KILL", str(home() / name), *self._flags(name)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self.until(lambda: self._serves(name), name)

    def kill(self, name):
        """End one of them as a crash would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def kubectl(self, *words, document=None):
        """kubectl as the cluster's admin; `document` (values) is its input."""
        text = None if document is None else json.dumps(document)
        command = [str(home() / "kubectl"), "--kubeconfig", str(self.kubeconfig(ADMIN)), *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    def apply(self, *documents):
        """Let the API server have these objects; it validates them strictly."""
        values = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        done = self.kubectl("apply", "--validate=strict", "--filename=-", document=values)
        if "(AlreadyExists)" in done.stderr:  # a controller has made one of them since kubectl looked
            done = self.kubectl("apply", "--validate=strict", "--filename=-", document=values)
        assert done.returncode == 0, done.stderr

    def get(self, path, **parameters):
        """The object at this path of the API server, None if there is none; kubectl costs a process each time."""
        try:
            return json.loads(self._get(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", LIMIT_S))
        except urllib.error.HTTPError as error:
            with error:
                if error.code == HTTPStatus.NOT_FOUND:
                    return None
            raise

    def metrics(self):
        """The lines of the API server's metrics."""
        return self._get(f"{self.url}/metrics", LIMIT_S).decode().splitlines()

    def watches(self, resource):
        """How many watches of this resource, within one namespace each, the API server serves.

        Those of controllers are of all namespaces; behind a killed API server they come back for most of a minute.
        """
        labels = ('verb="WATCH"', 'scope="namespace"', f'resource="{resource}"')
        found = [line for line in self.metrics() if line.startswith("apiserver_longrunning_requests{")]
        return sum(int(line.rsplit(" ", 1)[1]) for line in found if all(label in line for label in labels))

    def compact(self):
        """Let etcd forget everything but the present: versions of before are gone."""
        revision = int(self._etcd("/v3/kv/range", {"key": "AA=="})["header"]["revision"])
        self._etcd("/v3/kv/compaction", {"revision": revision, "physical": True})

    def admit(self, *tokens):
        """Let those who have these tokens be admins from the next start of the API server on, and no others."""
        kubelets = [f'{node_token(node)},system:node:{node},{node},"system:nodes"\n' for node in self.nodes]
        (self.folder / "tokens.csv").write_text(
            f"{CONTROLLERS},system:kube-controller-manager,2,\n{SCHEDULER},system:kube-scheduler,3,\n"
            f"{PROXY},system:kube-proxy,4,\n{''.join(kubelets)}"
            + "".join(f'{token},{token},{token},"system:masters"\n' for token in (ADMIN, *tokens))
        )

    def kubeconfig(self, token):
        """A kubeconfig for who has this token, or the one in this file."""
        path = self.folder / f"{Path(token).name[:20]}.kubeconfig"
        user = {"tokenFile": str(token)} if isinstance(token, Path) else {"token": token}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": user}],
            "clusters": [
                {"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.authority)}}
            ],
        }
        path.write_text(json.dumps(value))
        return path

    @property
    def authority(self):
        """The certificate that the API server made for itself."""
        return self.folder / "certs" / "apiserver.crt"

    def until(self, claim, what):
        """Ask again until `claim` is true."""
        end, pause = time.monotonic() + LIMIT_S, threading.Event()
        while not claim():
            assert time.monotonic() < end, f"waited {LIMIT_S} s for {what}; logs in {self.folder}"
            pause.wait(0.05)

    def _serves(self, name):
        process = self.processes[name]
        assert process.poll() is None, (self.folder / f"{name}.log").read_text()[-2000:]
        try:
            if name == "etcd":
                return bool(self._get(f"http://127.0.0.1:{self.etcd}/health"))
            if name == "kube-apiserver":
                return self._get(f"{self.url}/readyz") == b"ok"
        except (OSError, urllib.error.URLError):
            return False
        return True

    def _get(self, url, timeout_s=5.0):
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {ADMIN}"})
        context = ssl.create_default_context(cafile=str(self.authority)) if url.startswith("https") else None
        with urllib.request.urlopen(request, timeout=timeout_s, context=context) as answer:
            return answer.read()

    def _etcd(self, path, value):
        request = urllib.request.Request(f"http://127.0.0.1:{self.etcd}{path}", data=json.dumps(value).encode())
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.load(answer)

    def _write_keys(self):
        self.admit()
        key = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)

    def _flags(self, name):
        folder, client = self.folder, f"http://127.0.0.1:{self.etcd}"
        if name == "etcd":
            peer = f"http://127.0.0.1:{self.peer}"
            return [
                f"--data-dir={folder / 'etcd'}", "--name=test", "--unsafe-no-fsync", "--log-level=warn",
                f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=test={peer}",
            ]  # fmt: skip
        if name == "kube-apiserver":
            return [
                f"--etcd-servers={client}", f"--bind-address={self.address}", f"--secure-port={self.port}",
                f"--cert-dir={folder / 'certs'}", f"--token-auth-file={folder / 'tokens.csv'}",
                f"--advertise-address={self.address}",
                # an EndpointSlice may not hold a loopback address
                f"--endpoint-reconciler-type={'lease' if self.nodes else 'none'}",
                "--kubelet-preferred-address-types=InternalIP", "--enable-admission-plugins=NodeRestriction",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={folder / 'accounts.key'}",
                f"--service-account-signing-key-file={folder / 'accounts.key'}",
                "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16",
            ]  # fmt: skip
        if name == "kube-scheduler":
            config = self.kubeconfig(SCHEDULER)
            return [
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
                "--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--leader-elect=false",
                f"--cert-dir={folder / 'certs'}",
            ]  # fmt: skip
        return [
            f"--kubeconfig={self.kubeconfig(CONTROLLERS)}", "--bind-address=127.0.0.1", f"--secure-port={free_port()}",
            "--leader-elect=false", "--use-service-account-credentials=true", f"--cert-dir={folder / 'certs'}",
            f"--service-account-private-key-file={folder / 'accounts.key'}", f"--root-ca-file={self.authority}",
            "--kube-api-qps=500", "--kube-api-burst=1000",
        ]  # fmt: skip
