"""Closes idle keep-alive connections on which the server sent data without a request.

Such data would be read as the response to the next request, and its delivery would wrongly count as successful. curl
checks for it at most once a second.
"""

import select
import socket
import sys
from collections.abc import Container
from contextlib import suppress

# curl's list of sockets in use omits descriptors from this number on.
FD_SETSIZE = 1024


class IdleConnections:
    """Watches the sockets of keep-alive connections; on Linux only, elsewhere it does nothing."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if sys.platform.startswith("linux") else None

    def watch(self, descriptor: int) -> None:
        """Watch the socket of a new connection; epoll drops it when it is closed."""
        if self._epoll and 0 <= descriptor < FD_SETSIZE:
            with suppress(OSError):
                self._epoll.register(descriptor, select.EPOLLIN)

    def shut_down_unexpected(self, in_use: Container[int]) -> None:
        """Shut down each idle connection that received data; curl then opens a new one."""
        if self._epoll is None:
            return
        for descriptor, _event in self._epoll.poll(0):
            if descriptor not in in_use:
                with suppress(OSError):
                    self._epoll.unregister(descriptor)
                    _shut_down(descriptor)

    def close(self) -> None:
        """Close the epoll descriptor."""
        if self._epoll:
            self._epoll.close()


def _shut_down(descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    try:
        connection.shutdown(socket.SHUT_RDWR)
    finally:
        connection.detach()
