"""Free loopback ports that stay ours while a server restarts."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the kernel's range for outgoing connections, so that none of those takes the port of a stopped server.
_FIRST, _LAST = 15_000, 32_000
_ATTEMPTS = 200


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    # Not the global generator: test plugins seed that, and parallel runs would draw the same ports.
    draw = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = draw.randint(_FIRST, _LAST)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    msg = f"no free loopback port in {_ATTEMPTS} attempts"
    raise OSError(msg)


def answers(port: int, timeout_s: float = 0.2) -> bool:
    """Say whether something accepts connections on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False
