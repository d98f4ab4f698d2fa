"""Whether an error says that memory ran out: each allocator says so in its own words.

Knows nothing about who asked for the memory. The words are those of PyTorch's allocators for CPUs,
CUDA and MPS, of cuBLAS, cuDNN and the CUDA runtime, whose errors carry no type that tells.
"""

_WORDS = (
    "out of memory",  # CUDA's and MPS's allocators, cudaErrorMemoryAllocation, AcceleratorError
    "defaultcpuallocator",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cusolver_status_alloc_failed",
    "cudaerrormemoryallocation",
    "can't allocate memory",
    "failed to allocate",
    "std::bad_alloc",
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory ran out."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        words = str(seen).lower()
        if isinstance(seen, RuntimeError) and any(each in words for each in _WORDS):
            return True
        seen = seen.__cause__
    return False
