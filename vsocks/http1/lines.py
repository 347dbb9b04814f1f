"""Lines, from bytes that arrive in any pieces."""

from __future__ import annotations

from typing import Final

from vsocks.http1.errors import HttpError, show_name

#: Bytes that are copied at a time in search of a line's end. A line takes from its data no more
#: than this beyond itself, so that many short ones in one piece cost no more than their bytes.
_STEP: Final = 512


class LineReader:
    """Splits what it is given into lines, and holds at most ``budget`` bytes.

    The budget is for all lines until it is renewed. While ``bare_lf`` is true a line may end in
    LF alone (RFC 9112, section 2.2). That is only for heads, which are written anew: what is
    passed on unchanged must not mean one thing here and another to the recipient.
    """

    def __init__(self, budget: int, too_long: HttpError, *, bare_lf: bool = False) -> None:
        self._line = bytearray()
        self._budget = budget
        self._too_long = too_long
        self.bare_lf = bare_lf

    def renew(self, budget: int) -> None:
        """Lines from here on may have ``budget`` bytes."""
        self._budget = budget

    def receive(self, data: memoryview) -> tuple[bytes | None, int]:
        """The next line without its end, or None while it isn't whole; and the bytes used.

        Raises HttpError: the budget is spent, or the line ends in a way that it must not.
        """
        used = 0
        while used < len(data):
            if not self._budget:
                raise self._too_long
            piece = data[used : used + min(_STEP, self._budget)]
            before = len(self._line)
            self._line += piece
            end = self._line.find(b"\n", before) + 1
            taken = end - before if end else len(piece)
            self._budget -= taken
            used += taken
            self._check_carriage_returns(before, before + taken)
            if end:
                line = bytes(self._line[:end])
                self._line.clear()
                return self._without_end(line), used
        return None, used

    def _check_carriage_returns(self, start: int, end: int) -> None:
        """Each CR is followed by LF; checked before the line is whole, as it may be passed on."""
        at = self._line.find(b"\r", max(0, start - 1), end)
        if at >= 0 and self._line[at + 1 : at + 2].strip(b"\n"):
            raise HttpError(400, "a malformed line: there is CR in it without LF")

    def _without_end(self, line: bytes) -> bytes:
        if line.endswith(b"\r\n"):
            return line[:-2]
        if self.bare_lf:
            return line[:-1]
        raise HttpError(400, f"a line ends in LF without CR{show_name(line)}")
