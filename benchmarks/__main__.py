"""`python -m benchmarks NAME`: run one benchmark and print its table."""

import argparse
import sys

from benchmarks import (
    arrivals,
    beside,
    calibrate,
    cluster,
    drafts,
    engine,
    growth,
    int8,
    marks,
    overload,
    page,
    readme,
    references,
    screenshots,
    serving,
    soak,
    start,
    training,
)
from benchmarks.harness import results

BENCHMARKS = {
    "engine": engine,
    "drafts": drafts,
    "serving": serving,
    "arrivals": arrivals,
    "growth": growth,
    "start": start,
    "int8": int8,
    "overload": overload,
    "soak": soak,
    "cluster": cluster,
    "page": page,
    "screenshots": screenshots,
    "training": training,
    "references": references,
    "marks": marks,
    "calibrate": calibrate,
    "beside": beside,
    "readme": readme,
}


def main() -> int:
    """Run the benchmark that was named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    for name, module in BENCHMARKS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        options = names.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(options)
        results.add_arguments(options)
    arguments = parser.parse_args()
    status: int = BENCHMARKS[arguments.name].run(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
