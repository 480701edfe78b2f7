"""A limit of memory for a block of code, on Linux."""

import contextlib
import resource


def used():
    """Bytes of address space."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


class Room:
    """No more memory than is used now and `size` bytes, while in it."""

    def __init__(self, size, eats=True):
        """eats: what malloc has left is taken first, so that all that is asked for must come from the system."""
        self.size, self.eats = size, eats

    def __enter__(self):
        now = used()
        self.limit(now)
        self.kept = []
        for size in (1 << 20, 1 << 16, 1 << 12) if self.eats else ():
            with contextlib.suppress(MemoryError):
                while True:
                    self.kept.append(bytearray(size))
        self.limit(now + self.size)

    def __exit__(self, *error):
        self.kept = []
        self.limit(resource.RLIM_INFINITY)

    @staticmethod
    def limit(size):
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
