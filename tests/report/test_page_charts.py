"""Axes hold what is drawn on them, and their ticks are round, even and written as they are."""

import numpy as np
import pytest

from toolkit.report.page_charts import make_axis, score_scale

ROUND = {1.0, 2.0, 2.5, 5.0}


def drawn_values(kind: str) -> list:
    """Return many lists of values as a training has them: steps, losses or scores."""
    draw = np.random.default_rng(0)
    if kind == "steps":
        return [[0, *np.sort(draw.integers(1, 10**digits, 4)).tolist()] for digits in (1, 2, 3, 5) for _ in range(50)]
    if kind == "losses":
        return [[0.0, *(draw.random(5) * 10.0**power).tolist()] for power in (-4, -1, 0, 1) for _ in range(50)]
    return [[1.0, *(1 - draw.random(5) * 10.0**power).tolist()] for power in (-4, -1, 0) for _ in range(50)]


@pytest.mark.parametrize("kind", ["steps", "losses", "scores"])
def test_an_axis_holds_all_values_between_a_few_round_ticks_that_are_written_exactly(kind):
    for values in drawn_values(kind):
        axis = make_axis(values)
        steps = np.diff(axis.ticks)
        assert axis.low <= min(values) + 1e-9
        assert axis.high >= max(values) - 1e-9
        assert (axis.low, axis.high) == (axis.ticks[0], axis.ticks[-1])
        assert 2 <= len(axis.ticks) <= 7
        assert steps == pytest.approx(steps[0])
        assert any(steps[0] == pytest.approx(each * 10.0 ** np.floor(np.log10(steps[0] * 1.001))) for each in ROUND)
        assert [float(axis.format % tick) for tick in axis.ticks] == pytest.approx(list(axis.ticks), abs=1e-9)
        if kind == "steps":
            assert all(float(axis.format % tick).is_integer() for tick in axis.ticks)


@pytest.mark.parametrize(("values", "ends"), [([0.0, 0.0], (0, 1)), ([1.0, 1.0, 1.0], (0, 1)), ([0, 3], (0, 3))])
def test_equal_values_and_few_steps_have_an_axis_too(values, ends):
    axis = make_axis(values)
    assert (axis.low, axis.high) == ends
    assert len(set(axis.ticks)) == len(axis.ticks) >= 2


@pytest.mark.parametrize("metric", ["accuracy", "mcc"])
@pytest.mark.parametrize("low", [-0.95, -0.42, -0.05, 0.0, 0.07, 0.18, 0.3, 0.55, 0.83, 0.97, 1.0])
def test_the_scale_of_the_score_goes_up_to_one_and_its_marks_stand_where_they_belong(metric, low):
    if metric == "accuracy":
        low = max(low, 0.0)
    head = {"metric": metric, "low": low, "high": min(low + 0.1, 1.0), "value": min(low + 0.04, 1.0)}
    baselines = {"tfidf": {metric: 0.5}, "most_frequent_label": {metric: 0.6}}
    scale = score_scale({"headline": head, "baselines": baselines})
    position = dict(zip([float(tick.text.rstrip("%")) / 100 for tick in scale.ticks], scale.ticks, strict=True))
    assert position[1.0].x == 590
    assert len(position) >= 2
    units_per_point = (590 - scale.ticks[0].x) / (1 - min(position))
    for value, x in [(head["value"], scale.value), (head["low"], scale.low), *((m.value, m.x) for m in scale.marks)]:
        assert 590 - x == pytest.approx((1 - value) * units_per_point, abs=0.2)
        assert 10 <= x <= 590
    assert [mark.name for mark in scale.marks] == ["most_frequent_label", "tfidf"]
