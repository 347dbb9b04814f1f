"""The bodies of messages: which bytes belong to them. They are passed on as they come."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Body(ABC):
    """Follows one body through the bytes of its connection."""

    #: Whether nothing of the body is to come any more.
    is_complete: bool = False

    @abstractmethod
    def receive(self, data: memoryview, content: list[memoryview] | None = None) -> int:
        """How many bytes of ``data`` belong to the body. Raises HttpError if it is malformed.

        Slices of ``data`` that are content, with no framing between them, are added to
        ``content``.
        """

    def end(self) -> bool:
        """The connection has ended; returns whether that leaves the body whole."""
        return self.is_complete


class LengthBody(Body):
    """A body of so many bytes; 0 is none at all."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_complete = not length

    def receive(self, data: memoryview, content: list[memoryview] | None = None) -> int:
        """Never raises."""
        taken = min(self._left, len(data))
        self._left -= taken
        self.is_complete = not self._left
        if content is not None and taken:
            content.append(data[:taken])
        return taken


class ClosingBody(Body):
    """A response's body that goes on until the connection ends."""

    def receive(self, data: memoryview, content: list[memoryview] | None = None) -> int:
        """Never raises."""
        if content is not None and data:
            content.append(data)
        return len(data)

    def end(self) -> bool:
        """It is whole now."""
        self.is_complete = True
        return True
