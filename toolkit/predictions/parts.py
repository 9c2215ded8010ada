"""An output file that is made a part at a time, so that what was done before a crash is not done again."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from toolkit.base.disk import LOCK_FILE, lock_directory, sync, sync_directory, write_bytes, write_json
from toolkit.base.errors import UserError
from toolkit.files.source import file_ending
from toolkit.predictions.texts import OUTPUT
from toolkit.predictions.writers import Writer

OUR_NAMES = re.compile(r"\d{7}|whole\..*|\..*")  # of files in a folder of parts


class Parts:
    """The finished windows of an output file, each in a file of its own until all are there.

    They lie in <output>.parts; what was done by a run that was killed is found again if `made_from` (the fingerprints
    of input, model and options) is the same, else thrown away. Raises UserError if another run is writing there or the
    folder holds something else.
    """

    def __init__(self, output: Path, made_from: Mapping):
        self.output = output
        self.folder = output.with_name(output.name + ".parts")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = lock_directory(self.folder)
        manifest = self.folder / "made_from.json"
        if not manifest.exists() and not all(OUR_NAMES.fullmatch(path.name) for path in self.folder.iterdir()):
            raise UserError(OUTPUT["parts"].fill(folder=self.folder))
        if not _holds(manifest, made_from):
            self._clear()
            write_json(manifest, made_from)

    def _clear(self) -> None:
        """Remove the parts of another input, model or options."""
        for path in self.folder.iterdir():
            if path.name != LOCK_FILE:
                path.unlink()

    def path(self, number: int, ranked: bool = False) -> Path:
        """Return where a window is kept once it is finished, or one of rows in another order than in their file."""
        return self.folder / (f".ranked-{number:07d}" if ranked else f"{number:07d}")

    def write(self, number: int, data: bytes) -> None:
        """Keep a finished window."""
        write_bytes(self.path(number), data)

    def join(self, count: int, writer: Writer, ranked: bool = False) -> None:
        """Make the output of the first `count` windows, put it in its place and remove the parts."""
        new_output = self.folder / f"whole{file_ending(self.output)}"
        try:
            writer.join([self.path(number, ranked) for number in range(count)], new_output)
            sync(new_output)
            new_output.replace(self.output)
        except BaseException:
            new_output.unlink(missing_ok=True)  # on a full disk it takes the room that the next try needs
            raise
        sync_directory(self.output.parent)
        shutil.rmtree(self.folder)
        self.lock.release()


def _holds(manifest: Path, made_from: Mapping) -> bool:
    """Return whether the parts beside a manifest were made from the same."""
    try:
        return json.loads(manifest.read_text(encoding="utf-8")) == made_from
    except (OSError, ValueError):
        return False
