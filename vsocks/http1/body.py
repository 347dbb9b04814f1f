"""Message bodies: which bytes belong to them. They are passed on unchanged."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Body(ABC):
    """Finds the end of one body in the bytes of its connection."""

    #: Whether nothing of the body is to come any more.
    is_complete: bool = False

    @abstractmethod
    def receive(self, data: memoryview, content: list[memoryview] | None = None) -> int:
        """How many bytes of ``data`` belong to the body. Raises HttpError if it is malformed.

        Slices of ``data`` that are content, with no framing between them, are added to
        ``content``.
        """

    def end(self) -> bool:
        """The connection has ended; returns whether the body is complete."""
        return self.is_complete


class LengthBody(Body):
    """A body of known length; 0 is no body at all."""

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
    """A response's body that lasts until the connection ends."""

    def receive(self, data: memoryview, content: list[memoryview] | None = None) -> int:
        """Never raises."""
        if content is not None and data:
            content.append(data)
        return len(data)

    def end(self) -> bool:
        """The body is complete."""
        self.is_complete = True
        return True
