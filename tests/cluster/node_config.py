"""What the programs of a test node are told."""

import json


def containerd(folder, plugins):
    """containerd's own file: everything of it is below `folder`."""
    return CONTAINERD.format(folder=folder, plugins=plugins)


def pod_network(pods):
    """The network of pods: a bridge per node, routes between nodes, no translation of addresses."""
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": pods}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }  # fmt: skip
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]})


def kubelet(folder, address, cgroup):
    """kubelet's configuration; whoever reaches it may use it, and only this machine does."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": address,
            "healthzBindAddress": "127.0.0.1", "authentication": {"anonymous": {"enabled": True}},
            "authorization": {"mode": "AlwaysAllow"}, "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{cgroup}",
            "failCgroupV1": False, "failSwapOn": False, "oomScoreAdj": 0, "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{folder / 'containerd.sock'}", "clusterDNS": ["10.96.0.10"],
            "resolvConf": str(folder / "resolv.conf"), "syncFrequency": "5s",  # of changed ConfigMaps; else a minute
            "imageGCHighThresholdPercent": 100, "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        }
    )  # fmt: skip


def kube_proxy(node, address, all_pods, kubeconfig):
    """kube-proxy's configuration."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
            "bindAddress": address, "hostnameOverride": node, "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249", "clusterCIDR": all_pods,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            # the machine's own limits of connection tracking stay as they are
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        }
    )  # fmt: skip


CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""
