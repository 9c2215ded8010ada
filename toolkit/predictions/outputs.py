"""Which output the predictions go to: one text, a stream, or a file in the order of its input or another."""

from collections.abc import Sequence
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.cli.sections import InferenceOptions
from toolkit.data.unlabelled import UnlabelledRows
from toolkit.files.columns import Columns
from toolkit.files.inputs import input_files
from toolkit.files.source import need_file
from toolkit.predictions.prediction_file import PredictionFile, PredictionStream, SinglePrediction, rejected_path
from toolkit.predictions.ranked_file import RankedFile
from toolkit.predictions.texts import COMBINATIONS, OUTPUT, RANK_NEEDS_A_FILE, SEVERAL_MODELS, THERE


def open_predictions(
    options: InferenceOptions, columns: Columns, labels: Sequence[str], window_size: int
) -> "SinglePrediction | PredictionStream | PredictionFile":
    """Return where the predictions go of what `options` name; a file's windows have `window_size` rows.

    Raises UserError for what is wrong with the input or is in the way of the output.
    """
    if options.text is not None:
        return SinglePrediction(options, labels, columns)
    if options.text_pair is not None:
        raise UserError(COMBINATIONS["text_pair"])
    path = need_file(options.input_file, options.data_dir, "unlabelled", "--input_file")
    rows = UnlabelledRows(str(path), columns, options.reading, options.input_format)
    output = output_path(options, rows)
    if output is None:
        if options.rank is not None:
            raise UserError(RANK_NEEDS_A_FILE)
        return PredictionStream(options, labels, rows)
    kind = PredictionFile if options.rank is None else RankedFile
    return kind(options, labels, rows, output, window_size)


def output_path(options: InferenceOptions, rows: UnlabelledRows) -> Path | None:
    """Return the file to write for the input `rows`, None for standard output; UserError if something is in the way.

    Without --output_file, standard input goes to standard output, and a file to predictions.* beside the model.
    """
    name = options.output_file
    if not name and rows.is_pipe:
        name = "-"
    if name == "-":
        return None
    if not name and len(options.model_dirs) > 1:
        raise UserError(SEVERAL_MODELS.fill(count=len(options.model_dirs)))
    path = Path(name or Path(options.model_dirs[0]).parent / f"predictions{rows.output_ending()}")
    rejected = rejected_path(path)
    if not rows.is_pipe:
        if _is_read(path, rows):
            raise UserError(OUTPUT["input"].fill(path=path))
        if _is_read(rejected, rows):
            raise UserError(OUTPUT["rejected_input"].fill(rejected=rejected, path=path))
    if path.exists() and not options.overwrite:
        raise UserError(THERE.fill(file=path))
    return path


def _is_read(path: Path, rows: UnlabelledRows) -> bool:
    """Return whether a path is a file from which the rows come."""
    return path.exists() and any(path.samefile(file) for file in input_files(Path(rows.path)) if file.exists())
