"""What Ctrl-C does while a script starts: the one import that every script makes before all others."""

import signal


def end_at_once_on_interrupt() -> None:
    """Let Ctrl-C end the process without a word, until `raise_on_interrupt`: there is nothing to tidy up yet.

    Python's own answer, an exception, would be a traceback from the middle of an import. A process that was started
    with interrupts ignored, as by nohup or in the background of a script, goes on ignoring them.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_on_interrupt() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
