"""Mistakes that the user can mend, printed in one line each and without a traceback."""

import errno

from toolkit.base.languages import Text, in_words

MAX_LISTED_PROBLEMS = 10  # printed one by one before the rest become a count
CANNOT_BE_READ = Text("{file}: cannot be read ({reason})", "{file}：无法读取（{reason}）")
UNLISTED = Text("... and {count:,} more", "……另有 {count:,} 个")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # they may come without a file's name
REASONS = {  # in Chinese, by their numbers
    errno.EACCES: "没有权限",
    errno.EBUSY: "正被占用",
    errno.EDQUOT: "磁盘配额已用完",
    errno.EEXIST: "已有同名的文件或目录",
    errno.EFBIG: "文件太大",
    errno.EIO: "读写出错",
    errno.EISDIR: "这是一个目录",
    errno.ELOOP: "符号链接绕成了圈，或层数太多",
    errno.EMFILE: "打开的文件太多",
    errno.ENAMETOOLONG: "名称太长",
    errno.ENOENT: "没有这个文件或目录",
    errno.ENOSPC: "磁盘已满",
    errno.ENOTDIR: "路径中有一部分不是目录",
    errno.EPERM: "系统不允许这样操作",
    errno.EROFS: "文件系统是只读的",
}
OUT_OF_MEMORY_SIGNS = (  # in RuntimeErrors' messages: CPU, CUDA and mps, cuBLAS and cuDNN, C++, oneDNN (two, one vague)
    "can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "could not allocate",
    "could not create a primitive",
)  # fmt: skip


class UserError(Exception):
    """One or more mistakes that the user can mend; each is printed as one `error: ...` line, in the user's language.

    `summary` is a last line that is printed below several of them.
    """

    def __init__(self, *problems: Text, summary: Text | None = None):
        super().__init__(*problems)
        self.summary = summary

    def lines(self, language: str = "en") -> list[str]:
        """Return the printed lines in a language: the first ten problems, then how many there are."""
        lines = [" ".join(str(in_words(problem, language)).splitlines()) for problem in self.args]
        summary = in_words(self.summary, language)
        unlisted = len(lines) - MAX_LISTED_PROBLEMS
        if unlisted > 0:
            return [*lines[:MAX_LISTED_PROBLEMS], summary or UNLISTED.fill(count=unlisted)[language]]
        if summary and len(lines) > 1:
            return [*lines, summary]
        return lines


class TooLittleMemory(UserError):
    """There is too little memory for what the user asked for, however small the portions."""


class Stopped(BaseException):
    """Ends a run that was asked to stop, in all processes together; the message says how to continue.

    No Exception, which libraries catch wherever a file may be damaged or a feature missing.
    """

    def __init__(self, message: Text):
        super().__init__(message)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an exception means that a device or the machine has too little memory."""
    if isinstance(error, RuntimeError):
        return any(sign in str(error) for sign in OUT_OF_MEMORY_SIGNS)
    return isinstance(error, (MemoryError, TooLittleMemory))


def kind_and_line(error: BaseException) -> str:
    """Return the type of an exception and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"


def reason_of(error: BaseException) -> Text:
    """Return why a file cannot be read or written, in the system's words, where these are not well known."""
    reason = str(getattr(error, "strerror", None) or error)
    number = getattr(error, "errno", None)
    return Text(reason, REASONS.get(number, reason) if number is not None else reason)


def message_of(error: BaseException) -> Text:
    """Return what an exception says, in Chinese too if it was raised with a Text or its reason is well known."""
    if error.args and isinstance(error.args[0], Text):
        return error.args[0]
    return Text(str(error), reason_of(error).zh)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
