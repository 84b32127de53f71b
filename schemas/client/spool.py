"""Events that wait on disk for brokers: one file, appended to, which survives the process and the machine."""

from __future__ import annotations

import fcntl
import logging
import os
import zlib
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from schemas.errors import UsageError

_BEGIN = Struct(">Q")
"""Of the file: where the first record stands that is still to be sent."""
_HEAD = Struct(">IIBB")
"""Of a record: bytes and CRC-32 of what follows the head, bytes of the topic and of the key within."""
_CHUNK_BYTES = 2**20
"""Read at once; every record is smaller."""
_log = logging.getLogger("foreshock.client")


class SpoolError(UsageError):
    """The file of a spool cannot be used."""


class Event(NamedTuple):
    """What is to be produced."""

    topic: str
    key: bytes
    value: bytes


class Spool:
    """Events in the order in which they came. Not safe for threads, but `sync`.

    Args:
        path: of the file, which is made if need be; its folder must exist. One process at a time may have it.
        max_bytes: the file grows no further.

    Raises:
        SpoolError: another process has it, or it cannot be written.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as error:
            msg = f"the spool {path} cannot be used: {error.strerror}; give each process a file of its own"
            raise SpoolError(msg) from error
        size = os.fstat(self._file).st_size
        begin = _BEGIN.unpack(os.pread(self._file, _BEGIN.size, 0))[0] if size >= _BEGIN.size else 0
        # New, or all of it was sent and the last step of forgetting that is missing: from the first place on.
        self._begin = self._end = begin if _BEGIN.size <= begin <= size else _BEGIN.size
        self._dirty = False
        self.waiting = 0
        """Events that are still to be sent."""
        while (found := self._read(self._end))[0]:
            self.waiting += len(found[0])
            self._end = found[1]
        self._cut(size)

    def append(self, event: Event) -> bool:
        """Whether there was room. What was appended survives the process at once, the machine after `sync`."""
        topic = event.topic.encode()
        body = topic + event.key + event.value
        record = _HEAD.pack(len(body), zlib.crc32(body), len(topic), len(event.key)) + body
        if self._end + len(record) > self._max_bytes:
            return False
        try:
            whole = os.pwrite(self._file, record, self._end) == len(record)
        except OSError as error:
            _log.warning("the spool %s takes nothing: %s", self._path, error.strerror)
            whole = False
        if not whole:
            return False
        self._end += len(record)
        self._dirty = True
        self.waiting += 1
        return True

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        if self._dirty:
            self._dirty = False
            os.fsync(self._file)

    def read(self) -> tuple[list[Event], int]:
        """The oldest events, some, and where they end; none if there are none."""
        return self._read(self._begin)

    def forget(self, count: int, end: int) -> None:
        """The oldest events, so many up to there, were sent."""
        self.waiting -= count
        self._begin = end
        if end == self._end:
            self._begin = self._end = _BEGIN.size
        elif end > self._max_bytes // 2:
            # Its room is given back: what is left fits into it, and stays where it was until that is done.
            left = os.pread(self._file, self._end - end, end)
            os.pwrite(self._file, left, _BEGIN.size)
            os.fsync(self._file)
            self._begin, self._end = _BEGIN.size, _BEGIN.size + len(left)
        os.pwrite(self._file, _BEGIN.pack(self._begin), 0)
        os.ftruncate(self._file, self._end)

    def close(self) -> None:
        """Bring everything to the disk, and leave the file to others."""
        self.sync()
        os.close(self._file)

    def _read(self, begin: int) -> tuple[list[Event], int]:
        data = os.pread(self._file, _CHUNK_BYTES, begin)
        events, at = [], 0
        while at + _HEAD.size <= len(data):
            size, crc, topic, key = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + size]
            if len(body) < size or zlib.crc32(body) != crc or not size:
                break
            events.append(Event(body[:topic].decode(), body[topic : topic + key], body[topic + key :]))
            at += _HEAD.size + size
        return events, begin + at

    def _cut(self, size: int) -> None:
        """What stands behind the last whole record is put aside."""
        if self._end < size:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            with aside.open("ab") as file:
                file.write(os.pread(self._file, size - self._end, self._end))
            os.ftruncate(self._file, self._end)
            _log.warning("the last %d bytes of the spool are no whole event: they are in %s", size - self._end, aside)
