"""An output file that is made a part at a time, so that what was done before a crash is not done again."""

import json
import os
import shutil
from pathlib import Path

from toolkit.atomic import write_bytes, write_json
from toolkit.files import file_ending
from toolkit.predictions import ParquetFormat, TextFormat


class Parts:
    """The finished windows of an output file, each in a file of its own until all are there.

    They lie in <output>.parts; what was done by a run that was killed is found again if `made_from` (the fingerprints
    of input, model and options) is the same, else thrown away.
    """

    def __init__(self, output: Path, made_from: dict):
        self.output, self.folder = output, output.with_name(output.name + ".parts")
        manifest = self.folder / "made_from.json"
        try:
            same = json.loads(manifest.read_text(encoding="utf-8")) == made_from
        except (OSError, ValueError):
            same = False
        if not same:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            write_json(manifest, made_from)

    def path(self, number: int) -> Path:
        """Return where a window is kept once it is done."""
        return self.folder / f"{number:07d}"

    def write(self, number: int, data: bytes) -> None:
        """Keep a finished window."""
        write_bytes(self.path(number), data)

    def join(self, count: int, form: TextFormat | ParquetFormat) -> None:
        """Make the output of the first `count` windows, put it in its place and remove the parts."""
        whole = self.folder / f"whole{file_ending(self.output)}"
        form.join([self.path(number) for number in range(count)], whole)
        with whole.open("rb") as stream:
            os.fsync(stream.fileno())
        whole.replace(self.output)
        shutil.rmtree(self.folder)
