"""Whether an error says that memory ran out: each allocator says so in its own words.

Knows nothing about who asked for the memory. The words are those of PyTorch's allocators for CPUs,
CUDA and MPS, of cuBLAS, cuDNN and the CUDA runtime, whose errors carry no type that tells.
"""

from errno import ENOMEM

_WORDS = (
    "out of memory",  # CUDA's and MPS's allocators, cudaErrorMemoryAllocation, AcceleratorError
    "defaultcpuallocator",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cusolver_status_alloc_failed",
    "cudaerrormemoryallocation",
    "_allocation_failed",  # cuDNN 9: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    "out_of_memory",  # CUDA_ERROR_OUT_OF_MEMORY, dnnl_out_of_memory
    "can't allocate memory",
    "cannot allocate memory",  # ENOMEM in words, as mmap says it
    "failed to allocate",
    "invalid buffer size",  # MPS, of one tensor larger than a buffer may be
    "bad allocation",
    "bad_alloc",
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory ran out."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if isinstance(seen, OSError) and seen.errno == ENOMEM:
            return True
        words = str(seen).lower()
        if isinstance(seen, RuntimeError) and any(each in words for each in _WORDS):
            return True
        seen = seen.__cause__
    return False
