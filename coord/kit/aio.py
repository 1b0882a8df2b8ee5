"""Syncs that the kernel carries out by itself, and tells of through the network's own epoll: Linux's `io_submit`.

A sync in a thread of ours waits twice for the interpreter's lock: before it begins, while the loop sends the messages that
the sync is to overlap with, and before it can tell that it has ended; the loop then needs another turn for its task. The
kernel's own threads take no such lock, and their eventfd is one more descriptor of the wake-up that brings the messages.

It is the same fdatasync, and its result comes back with its event. Where a machine does not offer the calls (an old kernel,
a sandbox, another kind of processor) `submit` says so, and the caller syncs in a thread.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable

from .disk import SyncDone
from .pump import Handler

__all__ = ["RUNNING_MAX", "KernelSyncs"]

RUNNING_MAX = 64
"""Syncs under way at one time; one more is done in a thread."""

_NUMBERS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
"""By machine: io_setup, io_destroy, io_getevents, io_submit. The C library has no names for them."""
_FDATASYNC = 3
_TELL_EVENT_FD = 1


class _Request(ctypes.Structure):
    """struct iocb of linux/aio_abi.h, as little-endian machines have it. The kernel copies it."""

    _fields_ = (
        ("ticket", ctypes.c_uint64), ("key", ctypes.c_uint32), ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16), ("priority", ctypes.c_int16), ("fd", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64), ("size", ctypes.c_uint64), ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("event_fd", ctypes.c_uint32),
    )  # fmt: skip


class _Event(ctypes.Structure):
    """struct io_event. result: 0, or a negative errno."""

    _fields_ = (
        ("ticket", ctypes.c_uint64), ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64), ("more", ctypes.c_int64),
    )  # fmt: skip


class _Calls:
    """The context of one event loop in the kernel. Raises OSError where there can be none."""

    def __init__(self) -> None:
        numbers = _NUMBERS.get(platform.machine())
        if numbers is None:
            raise OSError(f"the numbers of the calls are not known on {platform.machine()}")
        setup, self._destroy, self._get_events, self._submit = numbers
        self._call: Callable[[int, int, int, int, int, int], int] = ctypes.CDLL(None).syscall
        self._call.argtypes, self._call.restype = [ctypes.c_long] * 6, ctypes.c_long
        context = ctypes.c_ulong(0)
        if self._call(setup, RUNNING_MAX, ctypes.addressof(context), 0, 0, 0) != 0:
            raise OSError("the kernel offers no asynchronous syncs")
        self._context = context.value
        self.event_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._request = _Request(opcode=_FDATASYNC, flags=_TELL_EVENT_FD, event_fd=self.event_fd)
        self._requests = ctypes.c_void_p(ctypes.addressof(self._request))
        self._requests_at = ctypes.addressof(self._requests)
        self._events = (_Event * RUNNING_MAX)()
        self._events_at = ctypes.addressof(self._events)

    def submit(self, fd: int, ticket: int) -> bool:
        self._request.fd = fd
        self._request.ticket = ticket
        return self._call(self._submit, self._context, 1, self._requests_at, 0, 0) == 1

    def ended(self) -> list[tuple[int, int]]:
        """(ticket, result) of what has ended."""
        os.eventfd_read(self.event_fd)
        count = self._call(self._get_events, self._context, 0, RUNNING_MAX, self._events_at, 0)
        return [(event.ticket, event.result) for event in self._events[:count]]

    def close(self) -> None:
        """Waits for what is under way."""
        self._call(self._destroy, self._context, 0, 0, 0, 0)
        os.close(self.event_fd)


class KernelSyncs:
    """The syncs of one event loop. watch: registers a handler for a descriptor with that loop, to its end."""

    def __init__(self, watch: Callable[[int, Handler], None]) -> None:
        self._watch = watch
        self._calls: _Calls | None = None
        self._available = True
        self._tickets = 0
        self._running: dict[int, SyncDone] = {}

    def submit(self, fd: int, done: SyncDone) -> bool:
        """Begins a sync of `fd`, which may be closed before it ends; `done` is called in a wake-up of the network. False:
        not possible here and now, nothing was begun."""
        calls = self._calls or self._open()
        self._tickets += 1
        # the kernel rounds the limit up, and would have more to tell at once than there is room for
        if calls is None or len(self._running) == RUNNING_MAX or not calls.submit(fd, self._tickets):
            return False
        self._running[self._tickets] = done
        return True

    def ready(self, events: int) -> None:
        """See `Handler`."""
        assert self._calls is not None
        for ticket, result in self._calls.ended():
            self._running.pop(ticket)(OSError(-result, os.strerror(-result)) if result else None)

    def stop(self) -> None:
        """See `Handler`: nobody is told of what ends from here on."""
        self._available = False
        if self._calls is not None:
            self._calls.close()
            self._calls = None

    def _open(self) -> _Calls | None:
        if self._available:
            try:
                self._calls = _Calls()
            except OSError:
                self._available = False
            else:
                self._watch(self._calls.event_fd, self)
        return self._calls
