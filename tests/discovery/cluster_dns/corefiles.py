"""Corefiles as clusters have them."""

KUBEADM = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""

K3S = """\
.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
    forward . /etc/resolv.conf
}
import /etc/coredns/custom/*.server
"""

AKS = """\
.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
}
import custom/*.server
"""

# an operator's own: a second zone, comments, a snippet, tabs, no line break at the end
EDITED = """\
# our zones
(common) {
\terrors
\tcache 30 # seconds
}

corp.example:53 {
\timport common
\tforward . 10.0.0.2 "10.0.0.3"
}

cluster.local:53,
in-addr.arpa:53 {
\timport common
\tkubernetes cluster.local 10.0.0.0/8 { pods verified
\t}
}
.:53 {
\tforward . 10.0.0.2
\treload
}"""

ALL = {"kubeadm": KUBEADM, "k3s": K3S, "aks": AKS, "edited": EDITED, "windows": KUBEADM.replace("\n", "\r\n")}
