"""An output file that is made a part at a time, so that what was done before a crash is not done again."""

import json
import re
import shutil
from pathlib import Path

from toolkit.base.disk import LOCK_FILE, lock_directory, sync, sync_directory, write_bytes, write_json
from toolkit.base.errors import UserError
from toolkit.data.files import file_ending
from toolkit.data.writers import ParquetWriter, TextWriter

OURS = re.compile(r"\d{7}|whole\..*|\..*")


class Parts:
    """The finished windows of an output file, each in a file of its own until all are there.

    They lie in <output>.parts; what was done by a run that was killed is found again if `made_from` (the fingerprints
    of input, model and options) is the same, else thrown away.
    """

    def __init__(self, output: Path, made_from: dict):
        self.output, self.folder = output, output.with_name(output.name + ".parts")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = lock_directory(self.folder)
        manifest = self.folder / "made_from.json"
        if not manifest.exists() and not all(OURS.fullmatch(path.name) for path in self.folder.iterdir()):
            raise UserError(
                f"{self.folder} is in the way and holds no parts of ours; --output_file names another place"
            )
        try:
            same = json.loads(manifest.read_text(encoding="utf-8")) == made_from
        except (OSError, ValueError):
            same = False
        if not same:
            for old in self.folder.iterdir():
                if old.name != LOCK_FILE:
                    old.unlink()
            write_json(manifest, made_from)

    def path(self, number: int) -> Path:
        """Return where a window is kept once it is done."""
        return self.folder / f"{number:07d}"

    def write(self, number: int, data: bytes) -> None:
        """Keep a finished window."""
        write_bytes(self.path(number), data)

    def join(self, count: int, form: TextWriter | ParquetWriter) -> None:
        """Make the output of the first `count` windows, put it in its place and remove the parts."""
        whole = self.folder / f"whole{file_ending(self.output)}"
        try:
            form.join([self.path(number) for number in range(count)], whole)
            sync(whole)
            whole.replace(self.output)
        except BaseException:
            whole.unlink(missing_ok=True)  # on a full disk it takes the room that the next try needs
            raise
        sync_directory(self.output.parent)
        shutil.rmtree(self.folder)
        self.lock.release()
