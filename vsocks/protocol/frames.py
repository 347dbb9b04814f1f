"""The wire format, nothing else: bytes to frames and frames to bytes.

Every frame is the original protocol's: ``u16 id, u16 length`` little-endian, then
``length`` bytes. Ids below :data:`CONTROL_ID` carry the data of one stream; the frames of
:data:`CONTROL_ID` carry one control message each, see ``messages.py``. In a session every
frame ends in a *check* of eight bytes, counted in ``length``: the session's epoch and the
number of the frame. A frame whose check is wrong was torn, lost, repeated or left over from
another session, and nothing of it may be used. See docs/protocol.md.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

HEADER: Final = struct.Struct("<HH")
CHECK: Final = struct.Struct("<II")
OVERHEAD: Final = HEADER.size + CHECK.size

CONTROL_ID: Final = 0xFFFF
#: Ids from here up are those of streams that the host opens.
FIRST_HOST_ID: Final = 0x8000
MAX_LENGTH: Final = 0xFFFF
MAX_PAYLOAD: Final = MAX_LENGTH - CHECK.size


def epoch_of(sender_nonce: int, receiver_nonce: int) -> int:
    """The 32-bit epoch of the frames that go from one to the other; never 0.

    The two directions of a session have different epochs, so that a channel that echoes
    can't feed a daemon its own frames; and padding (zeros) never has a right check.
    """
    return zlib.crc32(struct.pack("<QQ", sender_nonce, receiver_nonce)) or 1
