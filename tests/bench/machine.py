# SPDX-License-Identifier: ISC
"""What a sandbox's processes cost, from /proc, and what machine this is."""

import os
import platform
import re
import subprocess
from pathlib import Path

SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")


def _fields(pid):
    """/proc/PID/stat from the state on, or None if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rsplit(")", 1)[1].split()


def cpu_of(pid):
    user, system = _fields(pid)[11:13]
    return (int(user) + int(system)) * SECONDS_PER_TICK


def cpu_of_postfix(master):
    """The master, its children, and those that have ended: it waited for all
    of them."""
    total = sum(map(int, _fields(master)[11:15]))
    for directory in Path("/proc").glob("[0-9]*"):
        fields = _fields(directory.name)
        if fields and int(fields[1]) == master:
            total += int(fields[11]) + int(fields[12])
    return total * SECONDS_PER_TICK


def forget_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid):
    return int(re.search(r"^VmHWM:\s+(\d+)",
                         Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def describe():
    model = re.search(r"^model name\s*: (.*)",
                      Path("/proc/cpuinfo").read_text(), re.M)
    postfix = subprocess.run(["/usr/sbin/postconf", "-dh", "mail_version"],
                             stdout=subprocess.PIPE, text=True, check=True)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "postfix": postfix.stdout.strip(),
        "load": os.getloadavg()[0],
    }
