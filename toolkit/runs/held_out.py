"""Which rows of a file were held out, as a text that is short enough for run.json: two bytes for every ten rows."""

import base64
import binascii
import zlib

import numpy as np

from toolkit.runs.texts import HELD_OUT


def pack_rows(held_out: np.ndarray) -> str:
    """Return which rows (N,) bool are held out: a bit a row, compressed by zlib, in base64."""
    return base64.b64encode(zlib.compress(np.packbits(held_out).tobytes(), 9)).decode()


def unpack_rows(packed: str, rows: int) -> np.ndarray:
    """Return which of so many rows (N,) bool are held out; ValueError if `packed` does not say it of so many."""
    size = -(-rows // 8)
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError, TypeError):
        raise ValueError(HELD_OUT["unreadable"]) from None
    if len(unpacked) != size:
        raise ValueError(HELD_OUT["other_count"].fill(rows=rows))
    return np.unpackbits(np.frombuffer(unpacked, np.uint8), count=rows).astype(bool)
