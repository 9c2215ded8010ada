import os
import shlex
import signal
import threading

import pytest

from tests.conftest import ended, processes
from toolkit.base.errors import Stopped
from toolkit.compute.processes import ALONE
from toolkit.training.stop_signals import SIGNALS, PredictionInterrupted, StopSignals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself these signals")
AGREES = """
import os, signal, sys
from pathlib import Path

from toolkit.cli.exits import run_script
from toolkit.base.process import this_process
from toolkit.compute.memory import RowLimit
from toolkit.training.stop_signals import PredictionInterrupted, StopSignals
from toolkit.compute.processes import Processes


def main():
    folder, told, at, process = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), this_process()
    said = []
    limit = RowLimit(16 if process.rank == 1 else None, log=lambda words: said.append(str(words)))
    with Processes(process) as processes, StopSignals(processes, limit) as signals:
        processes.broadcast("we have met")
        taken = []
        for batch in signals.until_stop(range(50)):
            taken.append(batch)
            if processes.rank == 2 and batch == 1:
                limit.rows = 4  # as when its memory runs out
            if processes.rank == told and batch == at:
                os.kill(os.getpid(), signal.SIGUSR1)
        watch, seen = signals.add_stop_check(lambda rows: seen.append(rows)), []
        try:
            for rows in range(50):
                watch(rows)
        except PredictionInterrupted:
            pass
        (folder / f"{processes.rank}").write_text(f"{len(taken)} {len(seen)} {signals.signal_name}")
        (folder / f"limit {processes.rank}").write_text(f"{limit.rows} {said}")
        signals.raise_if_stopping(len(taken), "my output")


sys.exit(run_script(main))
"""


def send(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize("name", SIGNALS)
def test_each_of_the_signals_is_noticed_and_ends_the_batches_after_the_one_under_way(name):
    taken = []
    with StopSignals(ALONE) as signals:
        for batch in signals.until_stop(range(10)):
            taken.append(batch)
            if batch == 3:
                send(name)
        assert taken == [0, 1, 2, 3]
        assert signals.signal_name == name
        assert list(signals.until_stop(range(10))) == []


def test_without_a_signal_all_batches_come_and_nothing_ends():
    with StopSignals(ALONE) as signals:
        assert list(signals.until_stop("abc")) == ["a", "b", "c"]
        signals.raise_if_stopping(3, "output")
        assert not signals.should_stop()


def test_the_message_says_the_signal_the_step_and_the_command_that_goes_on():
    with StopSignals(ALONE) as signals:
        send("SIGTERM")
        with pytest.raises(Stopped) as caught:
            signals.raise_if_stopping(1234, "my runs/it's")
    said, command = str(caught.value).split("To continue: ")
    assert "SIGTERM" in said
    assert "step 1234 is saved" in said
    assert shlex.split(command) == ["python", "main.py", "--output_dir", "my runs/it's", "--resume"]


def test_work_that_saves_nothing_does_not_say_that_it_can_be_resumed():
    with StopSignals(ALONE, resumable=False) as signals:
        send("SIGTERM")
        with pytest.raises(Stopped, match="SIGTERM; nothing of this work was kept") as caught:
            signals.raise_if_stopping(1234, "output")
    assert "--resume" not in str(caught.value)


def test_the_first_signal_is_the_one_that_is_named():
    with StopSignals(ALONE) as signals:
        send("SIGUSR1")
        send("SIGTERM")
        assert signals.should_stop()
        assert signals.signal_name == "SIGUSR1"


def test_a_second_interrupt_stops_at_once():
    with StopSignals(ALONE) as signals:
        send("SIGINT")
        assert signals.should_stop()
        with pytest.raises(KeyboardInterrupt):
            send("SIGINT")
            threading.Event().wait(10)  # where Python looks for signals


def test_the_handlers_that_were_there_are_there_again():
    before = {name: signal.getsignal(getattr(signal, name)) for name in SIGNALS}
    with StopSignals(ALONE):
        assert all(signal.getsignal(getattr(signal, name)) != before[name] for name in SIGNALS)
        send("SIGINT")
    assert {name: signal.getsignal(getattr(signal, name)) for name in SIGNALS} == before


def test_in_a_thread_where_signals_cannot_be_handled_nothing_fails():
    found = []

    def body():
        with StopSignals(ALONE) as signals:
            found.append(list(signals.until_stop(range(3))))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [[0, 1, 2]]


def test_a_prediction_is_left_after_the_batch_under_way():
    done = []
    with StopSignals(ALONE) as signals:
        watch = signals.add_stop_check(done.append)
        watch(8)
        send("SIGTERM")
        with pytest.raises(PredictionInterrupted):
            watch(7)
    assert done == [8, 7]


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_that_was_ignored_before_stays_ignored(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with StopSignals(ALONE) as signals:
            send(name)
            assert not signals.should_stop()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("told", [0, 2])
def test_a_signal_to_one_of_three_processes_stops_all_after_the_same_batch(tmp_path, told):
    (tmp_path / "worker.py").write_text(AGREES, encoding="utf-8")
    with processes(3, tmp_path / "worker.py", tmp_path, told, 4) as started:
        ends = ended(started)
    assert [status for status, _ in ends] == [75] * 3, ends
    assert [(tmp_path / f"{rank}").read_text() for rank in range(3)] == ["5 3 SIGUSR1"] * 3
    going_on = "out of memory in another process; continuing with {} rows at once".format
    for rank, lines in enumerate([[going_on(16), going_on(4)], [going_on(4)], [going_on(16)]]):
        assert (tmp_path / f"limit {rank}").read_text() == f"4 {lines}"
    assert "stopped by SIGUSR1; step 5 is saved" in ends[0][1]
    assert "--output_dir 'my output' --resume" in ends[0][1]
    assert [errors for _, errors in ends[1:]] == ["", ""]
