"""What the scripts import before they need it: the packages that take seconds come when they are used."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LATER = ["matplotlib", "scipy", "sklearn", "opencc", "datasketch", "transformers.modeling_utils"]
READ = """
import json, sys
import main, test_code, utils
from toolkit.cli.console import Log
from toolkit.cli.options import fine_tuning_options
options = fine_tuning_options(["--data_dir", sys.argv[1]])
tables = utils.read_labelled_tables(options.data, options.split_seed, Log(None))
imported = [name for name in sys.argv[2:] if name in sys.modules]
print(json.dumps([sorted(tables.used), imported, "torch" in sys.modules]))
"""


def test_the_data_is_read_before_what_is_used_later_is_imported(reviews):
    command = [sys.executable, "-c", READ, str(reviews), *LATER]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    assert json.loads(output) == [["train", "valid"], [], True]
