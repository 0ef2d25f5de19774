"""A network of this test run's own: other runs on the machine have the same addresses of the mesh."""

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000  # sched.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h
REQUEST = "16sh22x"  # struct ifreq with its flags


def enter_own_network() -> bool:
    """Let this thread, and all threads and processes that it starts from now on, have loopback alone.

    Without the permission (root has it) the network stays the machine's, and the answer is False.
    """
    if os.geteuid() or ctypes.CDLL(None).unshare(CLONE_NEWNET):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        name, flags = struct.unpack(REQUEST, fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack(REQUEST, b"lo", 0)))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack(REQUEST, name, flags | IFF_UP))
    return True
