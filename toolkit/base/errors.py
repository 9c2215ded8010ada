"""Mistakes that the user can mend, printed in one line each and without a traceback."""

import errno

MAX_LISTED_PROBLEMS = 10  # printed one by one before the rest become a count
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # they may come without a file's name
OUT_OF_MEMORY_SIGNS = (  # in RuntimeErrors' messages: CPU, CUDA and mps, cuBLAS and cuDNN, C++, oneDNN (two, one vague)
    "can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "could not allocate",
    "could not create a primitive",
)  # fmt: skip


class UserError(Exception):
    """One or more mistakes that the user can mend; each argument is printed as one `error: ...` line.

    `summary` is a last line that is printed below several of them.
    """

    def __init__(self, *problems: object, summary: str = ""):
        super().__init__(*problems)
        self.summary = summary

    def lines(self) -> list[str]:
        """Return the printed lines: the first ten problems, then how many there are."""
        lines = [" ".join(str(problem).splitlines()) for problem in self.args]
        unlisted = len(lines) - MAX_LISTED_PROBLEMS
        if unlisted > 0:
            return [*lines[:MAX_LISTED_PROBLEMS], self.summary or f"... and {unlisted:,} more"]
        if self.summary and len(lines) > 1:
            return [*lines, self.summary]
        return lines


class TooLittleMemory(UserError):
    """There is too little memory for what the user asked for, however small the portions."""


class Stopped(BaseException):
    """Ends a run that was asked to stop, in all processes together; the message says how to continue.

    No Exception, which libraries catch wherever a file may be damaged or a feature missing.
    """


def is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an exception means that a device or the machine has too little memory."""
    if isinstance(error, RuntimeError):
        return any(sign in str(error) for sign in OUT_OF_MEMORY_SIGNS)
    return isinstance(error, (MemoryError, TooLittleMemory))


def kind_and_line(error: BaseException) -> str:
    """Return the type of an exception and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
