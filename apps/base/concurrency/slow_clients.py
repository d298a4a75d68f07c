"""Drop the connections of clients that don't read their responses.

A sending thread blocks until its client reads, and no WSGI server limits for how long. Linux does (TCP_USER_TIMEOUT);
accepted connections inherit the option from the listening socket.
"""

import os
import socket
import stat
from functools import cache

DESCRIPTORS = "/dev/fd"
SEND_TIMEOUT_SECONDS = 30


@cache
def drop_slow_clients() -> None:
    """Set a send timeout of 30 seconds on every TCP socket of this process.

    Call it at the first request: granian opens its sockets after it loads the application.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    for name in os.listdir(DESCRIPTORS):
        descriptor = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                _limit(socket.socket(fileno=os.dup(descriptor)))
        except OSError:
            # Closed meanwhile, such as the descriptor of the listed folder.
            continue


def _limit(each: socket.socket) -> None:
    with each:
        if each.family in (socket.AF_INET, socket.AF_INET6) and each.type == socket.SOCK_STREAM:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_SECONDS * 1000)
