"""Cut a tokenized text, or pair of texts, to the length that the model takes."""

from collections.abc import Sequence

HEAD = 128  # tokens of the head in head_tail, Sun et al. 2019, section 5.3.1


def allowances(first: int, second: int, room: int, truncation: str) -> tuple[int, int]:
    """Return how many tokens of the first and of the second text may stay, given `room` for both together.

    longest_first shortens the longer text until both are of one length, then both alike, as the fast tokenizers of
    Hugging Face do; so does head_tail. only_first and only_second leave one token of their text, and only if that is
    not enough do they shorten the other.
    """
    over = first + second - room
    if over <= 0:
        return first, second
    if truncation == "only_first":
        first = max(min(first, 1), first - over)
        return first, min(second, room - first)
    if truncation == "only_second":
        second = max(min(second, 1), second - over)
        return min(first, room - second), second
    short = min(first, second, room // 2)
    return (short, room - short) if first <= second else (room - short, short)


def kept_positions(sequence_ids: Sequence[int | None], max_length: int, truncation: str) -> list[int]:
    """Return the positions of a tokenized row that stay when it is cut to `max_length` tokens.

    Args:
        sequence_ids: for each token 0 (first text), 1 (second text) or None (special token), which is never cut.
        max_length: tokens that may stay, special tokens included.
        truncation: longest_first, only_first, only_second or head_tail.
    """
    positions = ([], [])
    for position, sequence in enumerate(sequence_ids):
        if sequence is not None:
            positions[sequence].append(position)
    special = [position for position, sequence in enumerate(sequence_ids) if sequence is None]
    room = max_length - len(special)
    allowed = allowances(len(positions[0]), len(positions[1]), room, truncation)
    kept = special
    for text, count in zip(positions, allowed, strict=True):
        head = min(HEAD, count // 2) if truncation == "head_tail" and count < len(text) else count
        tail = count - head
        kept = kept + text[:head] + (text[-tail:] if tail else [])
    return sorted(kept)
