"""A checksum of a data set, by which a run recognizes the data that it was trained on."""

import hashlib

import numpy as np

from jtdiag.engine.datasets.arrays import Arrays


def fingerprint(arrays: Arrays) -> str:
    """Return the hash of all inputs, targets and class names, as 32 hexadecimal digits.

    It covers the numbers that training sees, so that the same numbers in another file or with
    other names of arrays have the same fingerprint.
    """
    checksum = hashlib.sha256()
    for array in (arrays.x_train, arrays.y_train, arrays.x_test, arrays.y_test):
        checksum.update(f"{array.shape} {array.dtype.str}".encode())
        checksum.update(np.ascontiguousarray(array).data)
    for name in arrays.classes:
        checksum.update(name.encode("utf-8", "surrogatepass") + b"\0")
    return checksum.hexdigest()[:32]
