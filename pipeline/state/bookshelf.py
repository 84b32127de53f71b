"""The books of a partition's accounts: open ones as objects, the others closed, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.books.book import Book, decode_book, encode_book

OPEN_BYTES = 4096
"""What an open book takes, about."""
_BYTES_HEAD = 33


class Bookshelf(Mapping[int, Book]):
    """Books by account row.

    A closed book takes some two hundred bytes instead of some thousands. Asking for one opens it, and it stays open
    until `rest`: what is changed in it meanwhile is changed here.
    """

    def __init__(self) -> None:
        self._books: list[Book | bytes | None] = []
        self._open: set[int] = set()
        self._closed_bytes = 0

    def __len__(self) -> int:
        return sum(book is not None for book in self._books)

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and row < len(self._books) and self._books[row] is not None

    def __iter__(self) -> Iterator[int]:
        return (row for row, book in enumerate(self._books) if book is not None)

    def __getitem__(self, row: int) -> Book:
        book = self._books[row] if row < len(self._books) else None
        if isinstance(book, Book):
            return book
        if book is None:
            raise KeyError(row)
        self._closed_bytes -= len(book)
        opened = self._books[row] = decode_book(book)
        self._open.add(row)
        return opened

    def __setitem__(self, row: int, book: Book) -> None:
        while len(self._books) <= row:
            self._books.append(None)
        known = self._books[row]
        if isinstance(known, bytes):
            self._closed_bytes -= len(known)
        self._books[row] = book
        self._open.add(row)

    @property
    def nbytes(self) -> int:
        """Bytes held, about."""
        closed = len(self._books) - len(self._open)
        return 8 * len(self._books) + _BYTES_HEAD * closed + self._closed_bytes + OPEN_BYTES * len(self._open)

    def stored(self, row: int) -> bytes:
        """Stored form of a row's book; nothing for a row without one."""
        book = self._books[row] if row < len(self._books) else None
        return encode_book(book) if isinstance(book, Book) else book or b""

    def restore(self, row: int, data: bytes) -> Book:
        """Put a stored book on the shelf, closed unless it has open alerts; raises `msgspec.MsgspecError`."""
        book = self[row] = decode_book(data)
        if not book.episodes:
            self._close(row, data)
        return book

    def rest(self) -> None:
        """Close the open books, but for those with open alerts, which every close of a day reads."""
        for row in list(self._open):
            book = self._books[row]
            if isinstance(book, Book) and not book.episodes:
                self._close(row, encode_book(book))

    def _close(self, row: int, data: bytes) -> None:
        self._books[row] = data
        self._open.discard(row)
        self._closed_bytes += len(data)
