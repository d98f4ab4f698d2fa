"""The service: the fine-tuned GPT-2 and the base it came from, side by side over HTTP."""

import os

__version__ = "0.1.0"

# Here, before PyTorch brings its OpenMP, which reads this once. Its threads wait for their next
# piece of work by looking for it again and again, but in a process with more of them than cores,
# as each model's inference thread has its own, only 100 times: then they sleep, and waking them
# takes longer than most operations of a small batch. "active" makes that 1,000 times (some 50 µs);
# the second is libgomp's default, which "active" would turn into minutes.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ |= {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "300000"}
