import pytest

from tests.runs.test_seeds import resume_seeds, train_all
from toolkit.base.errors import UserError


def test_a_model_that_is_gone_or_another_is_noticed(tmp_path):
    resume_seeds(tmp_path, 2)
    run = tmp_path / "bert_classifier" / "run.json"
    run.write_text(run.read_text().replace('"seed": 2', '"seed": 9'))
    with pytest.raises(UserError, match="is not the model of seed 2"):
        resume_seeds(tmp_path, 2)


def test_the_log_of_the_kept_run_names_where_it_is_now_and_other_places_as_they_are(tmp_path):
    train_all(tmp_path, 2, "ours", stop_at=2)
    run = tmp_path / "seed-2"
    others = [f"{run}3/t.csv", f"my{run}/t.csv", f"{run}.csv", f"/data{run}/t.csv"]
    (run / "train.log").write_text("\n".join([f"the model is in {run}/bert_classifier", f"in {run}, it says", *others]))
    train_all(tmp_path, 2, "ours", "--resume")
    log = (tmp_path / "train.log").read_text().splitlines()
    assert log[:6] == [f"the model is in {tmp_path}/bert_classifier", f"in {tmp_path}, it says", *others]
