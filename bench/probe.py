"""Tries out, in a throw-away sandbox, what the kernel lets this user do; run as `python -m bench.probe` by the doctor.

It does what the netns fabric does, in the fabric's order, and prints one line of JSON for each trial:
`{"trial": "links", "errno": null, "error": null}`. Everything lives in namespaces of its own and ends with the process.
"""

from __future__ import annotations

import enum
import errno
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from pyroute2 import IPRoute, NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError

from emulators.ipsec.esp import TUN, kernel_has_esp
from network import kernel
from network.firewall import find_nft


class Trial(enum.StrEnum):
    """What is tried."""

    USER = "user"
    NETWORK = "network"
    MOUNT = "mount"
    PID = "pid"
    FILES = "files"
    LINKS = "links"
    FILTER = "filter"
    CONNTRACK = "conntrack"
    NETEM = "netem"
    TUN = "tun"
    ESP = "esp"


_RULES = """
table ip probe {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        tcp dport 443 reject with tcp reset
        reject with icmp type admin-prohibited
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        masquerade
    }
}
"""


def main() -> None:
    """Makes the namespaces one by one, up to the first that the kernel refuses.

    The rest is tried by the process 1 of these namespaces, since only there /proc can be mounted.
    """
    for trial, action in _NAMESPACES.items():
        if not _try(trial, action):
            return
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    try:
        # The parent is outside of this PID namespace, where its number reads as 0.
        kernel.die_with_parent(0)
        for trial, action in _INSIDE.items():
            _try(trial, action)
    finally:
        os._exit(0)


def _try(trial: Trial, action: Callable[[], None]) -> bool:
    number: int | None = None
    text: str | None = None
    try:
        action()
    except NetlinkError as error:
        number, text = error.code, os.strerror(error.code)
    except OSError as error:
        number, text = error.errno, error.strerror or str(error)
    except subprocess.SubprocessError as error:
        number, text = errno.EIO, str(error)
    print(json.dumps({"trial": trial, "errno": number, "error": text}), flush=True)
    return text is None


def _enter_user() -> None:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


def _files() -> None:
    kernel.make_mounts_private()
    kernel.mount("proc", Path("/proc"))
    kernel.mount("tmpfs", Path("/run"))
    source, target = Path("/run/source"), Path("/run/target")
    source.touch()
    target.touch()
    kernel.bind(source, target)


def _links() -> None:
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    kernel.unshare(kernel.CLONE_NEWNET)
    far = os.open("/proc/self/ns/net", os.O_RDONLY)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    kernel.setns(home)
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    with IPRoute() as netlink:
        netlink.link("add", ifname="bridge", kind="bridge")
        netlink.link("add", ifname="near", kind="veth", peer={"ifname": "far", "net_ns_fd": far})
        bridge, near = (netlink.link_lookup(ifname=name)[0] for name in ("bridge", "near"))
        netlink.link("set", index=near, master=bridge, state="up")
        netlink.addr("add", index=bridge, address="192.0.2.1", prefixlen=24)


def _filter() -> None:
    nft = find_nft()
    if nft is None:
        raise FileNotFoundError(errno.ENOENT, "the command nft is not installed")
    done = subprocess.run([nft, "-f", "-"], input=_RULES, capture_output=True, text=True, timeout=5, check=False)
    if done.returncode:
        raise OSError(errno.EIO, done.stderr.strip().partition("\n")[0])


def _conntrack() -> None:
    with NFCTSocket() as conntrack:
        conntrack.flush()


def _netem() -> None:
    with IPRoute() as netlink:
        netlink.tc("add", kind="netem", index=netlink.link_lookup(ifname="lo")[0], delay=1000)


def _tun() -> None:
    tun = os.open(TUN, os.O_RDWR)
    os.close(tun)
    with IPRoute() as netlink:
        netlink.link("add", ifname="tun", kind="tuntap", mode="tun")


def _esp() -> None:
    if not kernel_has_esp():
        raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))


_NAMESPACES: dict[Trial, Callable[[], None]] = {
    Trial.USER: _enter_user,
    Trial.NETWORK: lambda: kernel.unshare(kernel.CLONE_NEWNET),
    Trial.MOUNT: lambda: kernel.unshare(kernel.CLONE_NEWNS),
    Trial.PID: lambda: kernel.unshare(kernel.CLONE_NEWPID),
}

_INSIDE: dict[Trial, Callable[[], None]] = {
    Trial.FILES: _files,
    Trial.LINKS: _links,
    Trial.FILTER: _filter,
    Trial.CONNTRACK: _conntrack,
    Trial.NETEM: _netem,
    Trial.TUN: _tun,
    Trial.ESP: _esp,
}

if __name__ == "__main__":
    signal.alarm(10)
    main()
