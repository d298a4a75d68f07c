"""Clients that take nothing of what is sent to them: the system drops their connections.

A thread that sends waits for its client, and no server for WSGI limits how long. Linux does: a connection on which
nothing was taken for a time is ended, and that of a listening socket is inherited by all that it accepts.
"""

import os
import socket
import stat
from functools import cache

DESCRIPTORS = "/dev/fd"
SEND_TIMEOUT_SECONDS = 30


@cache
def drop_slow_clients() -> None:
    """Have the system end every connection of this process whose other end takes nothing for half a minute.

    For the first request: when granian loads the application it does not listen yet.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    for name in os.listdir(DESCRIPTORS):
        descriptor = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                _limit(socket.socket(fileno=os.dup(descriptor)))
        except OSError:
            # Closed meanwhile, such as the folder that was listed.
            continue


def _limit(each: socket.socket) -> None:
    """Set it on whatever speaks TCP, the connection that is being answered included."""
    with each:
        if each.family in (socket.AF_INET, socket.AF_INET6) and each.type == socket.SOCK_STREAM:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_SECONDS * 1000)
