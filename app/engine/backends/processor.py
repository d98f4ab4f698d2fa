"""How many threads may compute at once: a container's CPU quota counts, not the host's cores."""

import math
import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cpu_threads(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Return the cores that this process may use, within the cgroup's quota.

    More threads than the quota (cgroup v2's `cpu.max`) would be stopped for part of every period,
    and the others would wait for them.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    allowed = cores or 1
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return allowed  # no cgroup v2 here
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))
