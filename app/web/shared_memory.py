"""Memory that processes share through a file, which is on no disk that could be full.

A process that writes to a mapped page for which the file system has no space is killed by SIGBUS.
"""

import os
import tempfile


def anonymous_file(size: int) -> int:
    """Return the descriptor of a new file of `size` bytes without a name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("customer-segments")
        os.truncate(descriptor, size)
        return descriptor
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    os.write(descriptor, bytes(size))
    return descriptor
