"""Which engine predicts: torch, or onnxruntime with what infer.py --export wrote, which starts at once."""

from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.cli.sections import InferenceOptions
from toolkit.serving.exported_model import why_not_usable
from toolkit.serving.texts import ENGINE

# Torch takes some 7 s of processor time to start, and then less than onnxruntime where it computes in bf16: it has made
# up for that after 1,000 rows of MiniLM, and 100 of a model of ten times the work.
SMALL_FILE = 200


def takes_onnx(options: InferenceOptions, processes: int, rows: int, has_torch: bool) -> bool:
    """Say whether an exported model predicts so many rows (0: of a pipe, not known yet) in so many processes.

    With --engine auto it does where it can and the rows are few, or where there is no torch. Raises UserError if it
    cannot where it has to.
    """
    if options.engine == "torch" or (options.engine == "auto" and has_torch and rows > SMALL_FILE):
        return False
    reason = why_not_onnx(options, processes)
    if reason is None:
        return True
    if options.engine == "onnx":
        raise UserError(ENGINE["onnx"].fill(reason=reason))
    if not has_torch:
        raise UserError(ENGINE["no_torch"].fill(reason=reason))
    return False


def why_not_onnx(options: InferenceOptions, processes: int) -> Text | None:
    """Return why exported models cannot do what options ask for, None if they can."""
    machine = options.prediction.machine
    if processes > 1:
        return ENGINE["processes"]
    if machine.precision not in ("auto", "fp32"):
        return ENGINE["other_option"].fill(option=f"--precision {machine.precision}")
    if machine.device not in ("auto", "cpu"):
        return ENGINE["other_option"].fill(option=f"--device {machine.device}")
    if not machine.fast:
        return ENGINE["other_option"].fill(option="--no-fast")
    if options.rank is not None:
        return ENGINE["other_option"].fill(option="--rank")
    reasons = (why_not_usable(Path(folder)) for folder in options.model_dirs)
    return next((reason for reason in reasons if reason is not None), None)
