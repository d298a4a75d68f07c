"""Connections that wait for their next request: one on which the other side speaks unasked is not used again.

What came while nothing was asked would be read as the response to the next request, which then counts as delivered
although nobody answered it. curl looks for this at most once a second.
"""

import select
import socket
import sys
from collections.abc import Container
from contextlib import suppress

# Sockets beyond this are missing in what curl says of those in use.
FD_SETSIZE = 1024


class IdleConnections:
    """Watches the sockets of kept connections; on Linux alone, elsewhere it does nothing."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if sys.platform.startswith("linux") else None

    def watch(self, descriptor: int) -> None:
        """Watch the socket of a new connection; a closed one is forgotten by the system."""
        if self._epoll and 0 <= descriptor < FD_SETSIZE:
            with suppress(OSError):
                self._epoll.register(descriptor, select.EPOLLIN)

    def shut_spoiled(self, in_use: Container[int]) -> None:
        """End the connections on which something came, those in use apart: curl then opens a new one."""
        if self._epoll is None:
            return
        for descriptor, _event in self._epoll.poll(0):
            if descriptor not in in_use:
                with suppress(OSError):
                    self._epoll.unregister(descriptor)
                    _shut(descriptor)

    def close(self) -> None:
        """Free the watch itself."""
        if self._epoll:
            self._epoll.close()


def _shut(descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    try:
        connection.shutdown(socket.SHUT_RDWR)
    finally:
        connection.detach()
