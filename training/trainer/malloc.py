"""Memory that training gave back is kept for its next step: Linux would clear it anew each time."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h
_TOP_PAD_BYTES = 256 * 2**20


def keep_freed_memory() -> None:
    """Let glibc's malloc serve every size from one heap that only grows.

    By default it returns each large tensor to the kernel as soon as that is freed. A training
    step frees and wants the same hundreds of megabytes again, and clearing them took a tenth of
    its time on a CPU. Other C libraries are left as they are, and so is another malloc
    (jemalloc, tcmalloc) that was preloaded. For steps of one shape only: with varying lengths the
    heap falls to pieces and grows.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, _TOP_PAD_BYTES)
        mallopt(_MMAP_MAX, 0)
