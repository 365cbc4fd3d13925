"""The files in /etc by which a node finds names: the site's DNS server, and nothing of the machine's own."""

from __future__ import annotations

from network.plan import SitePlan


def name_files(plan: SitePlan) -> dict[str, str]:
    """What stands in each of them, by the file's name."""
    return {
        "resolv.conf": f"nameserver {plan.dns_server}\noptions timeout:2 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n",
    }
