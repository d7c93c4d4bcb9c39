"""How many threads the numeric libraries of a worker take. To be set before they are loaded."""

import os

# OpenMP (also CTranslate2's and torch's), OpenBLAS, MKL, Apple's, numexpr.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def limit_threads(threads: int) -> None:
    """At most so many in each library of this process and its children; what is set already stays."""
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))
