"""Score the saved model on a labelled test set; python test_code.py --help lists the options."""

import sys
from pathlib import Path

from toolkit.console import Log
from toolkit.errors import UserError, run_script
from toolkit.files import find_file
from toolkit.options import given_columns, scoring_options
from toolkit.run_info import read_run


def main() -> None:
    """Read the test set, predict its labels, and write and show how right they are."""
    args = scoring_options().parse_args()
    model_dir = Path(args.model_dir)
    run, folder = read_run(model_dir), Path(args.output_dir or model_dir.parent) / "test"
    test_file = args.test_file or find_file(args.data_dir, "testset")
    if test_file is None:
        raise UserError(f"there is no testset.csv (.tsv, .json, ...) in {args.data_dir}; --test_file names another")
    # Heavy imports come after the options, so that --help and a mistyped option are answered at once.
    import utils
    from toolkit.precision import choose_precision
    from toolkit.score_files import score_columns, score_lines, write_scores

    log = Log(sys.stdout)
    columns = given_columns(args, run["columns"], label=True)
    table = utils.read_table(Path(test_file), columns, args.encoding, args.on_bad_rows, keep_records=True)
    log.item("data", table.accounts())
    utils.encode_labels(table, run["labels"])  # what is wrong with the file is said before the model is loaded
    score_columns(table.records, run["labels"])
    device = utils.choose_device(args.device)
    precision = choose_precision(args.precision, device)
    model, encoder, run = utils.load_model(model_dir, device)
    log.item("model", f"{model_dir}, from {run['base_model']}, on {device} in {precision.name}")
    found = utils.score_table(
        model, encoder, table, run, batch_size=args.batch_size, precision=precision, device=device
    )
    write_scores(folder, found, table, run, model_dir)
    for line in ["", *score_lines(found.scores), ""]:
        log(line)
    wrong = int((found.probabilities.argmax(axis=1) != found.label_ids).sum())
    log(f"the scores are in {folder / 'metrics.json'}")
    log(f"{folder / 'predictions.csv'} begins with the {wrong:,} rows that are wrong, most confident first")


if __name__ == "__main__":
    sys.exit(run_script(main))
