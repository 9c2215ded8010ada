import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from toolkit.data import split
from toolkit.data.split import hold_out, label_matrix, spread


def plain_sample(labels: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    """Hold out the slow way: of each label in turn a share of its rows, at least one, but not the last."""
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in sorted(set(labels)):
        rows = random.permutation([row for row, own in enumerate(labels) if own == label])
        held_out[rows[: min(max(1, round(len(rows) * ratio)), len(rows) - 1)]] = True
    return held_out


def targets_of(counts: np.ndarray, ratio: float) -> np.ndarray:
    """Return how many rows of each label are to be held out, by the rows (G, C) of each label in each group."""
    totals = counts.sum(axis=0)
    wanted = np.array([min(max(1, round(total * ratio)), total - 1) for total in totals])
    return np.where((counts > 0).sum(axis=0) > 1, wanted, 0)


def all_splits(counts: np.ndarray) -> np.ndarray:
    """Return the rows (S, C) of each label that are held out, for every choice of groups that leaves each label one."""
    groups = len(counts)
    choices = np.arange(1, 2**groups)[:, None] >> np.arange(groups) & 1
    held_out = choices @ counts
    return held_out[(held_out < counts.sum(axis=0)).all(axis=1)]


def group_counts(label_ids: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the rows (G, C) of each label in each group."""
    counts = np.zeros((groups.max() + 1, label_ids.max() + 1), int)
    np.add.at(counts, (groups, label_ids), 1)
    return counts


@st.composite
def grouped_rows(draw, most_groups: int = 10) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Draw the label and the group of each of some rows, a ratio and a seed; groups may have one label or several."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    group_count = draw(st.integers(1, most_groups))
    largest = draw(st.sampled_from([1, 3, 12, 60]))
    label_count = draw(st.integers(1, 5))
    groups = np.repeat(np.arange(group_count), random.integers(1, largest + 1, group_count))
    label_ids = random.integers(0, label_count, len(groups))
    if draw(st.booleans()):
        label_ids = random.integers(0, label_count, group_count)[groups]
    order = random.permutation(len(groups))
    label_ids = np.unique(label_ids, return_inverse=True)[1]
    return label_ids[order], groups[order], draw(st.sampled_from([0.1, 0.2, 0.5, 0.9])), draw(st.integers(0, 2**63 - 1))


@settings(max_examples=1000, deadline=None)
@given(grouped_rows())
def test_no_group_stands_on_both_sides_and_no_split_is_nearer_to_the_share_of_the_labels(drawn):
    label_ids, groups, ratio, seed = drawn
    held_out = hold_out(label_matrix(label_ids), ratio, seed, groups)
    assert not {*groups[held_out]} & {*groups[~held_out]}
    counts = group_counts(label_ids, groups)
    possible = all_splits(counts)
    if not len(possible):
        assert not held_out.any()
        return
    rows = np.bincount(label_ids[held_out], minlength=counts.shape[1])
    assert held_out.any()
    assert (rows < counts.sum(axis=0)).all()
    gaps = np.abs(possible - targets_of(counts, ratio))
    gap = np.abs(rows - targets_of(counts, ratio))
    assert (gap**2).sum() == (gaps**2).sum(axis=1).min()
    # So no label could have its share within fewer rows without another that is then further off.
    assert not ((gaps <= gap).all(axis=1) & (gaps < gap - 1).any(axis=1)).any()


@settings(max_examples=100, deadline=None)
@given(grouped_rows(most_groups=16), st.integers(0, 30))
def test_what_groups_leave_amiss_single_rows_make_up_for(drawn, seed):
    """As many single rows of each label as the groups have: every label then has its share to the row."""
    label_ids, groups, ratio, _ = drawn
    all_labels = np.concatenate([label_ids, label_ids])
    all_groups = np.concatenate([groups, groups.max() + 1 + np.arange(len(label_ids))])
    held_out = hold_out(label_matrix(all_labels), ratio, seed, all_groups)
    totals = np.bincount(all_labels)
    wanted = [min(max(1, round(total * ratio)), total - 1) for total in totals]
    assert np.bincount(all_labels[held_out], minlength=len(totals)).tolist() == wanted
    assert not {*all_groups[held_out]} & {*all_groups[~held_out]}


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_without_groups_the_rows_are_those_of_a_plain_stratified_sample(ratio):
    random = np.random.default_rng(0)
    for seed in range(60):
        labels = random.choice(["10", "9", "b", "a"][: 1 + seed % 4], 1 + seed).astype(object)
        label_ids = np.unique(labels, return_inverse=True)[1]
        held_out = hold_out(label_matrix(label_ids), ratio, seed)
        assert held_out.tolist() == plain_sample(labels, ratio, seed).tolist()
        assert (held_out == hold_out(label_matrix(label_ids), ratio, seed, np.arange(len(labels)) * -3)).all()


def test_the_rows_held_out_are_a_like_share_of_every_label_and_never_its_last_row():
    labels = np.array([0] * 100 + [1] * 10 + [2] * 2 + [3])
    held_out = hold_out(label_matrix(labels), 0.2, seed=3)
    assert np.bincount(labels[held_out], minlength=4).tolist() == [20, 2, 1, 0]
    assert (held_out == hold_out(label_matrix(labels), 0.2, seed=3)).all()
    assert (held_out != hold_out(label_matrix(labels), 0.2, seed=4)).any()


def test_many_groups_of_many_sizes_leave_every_label_within_a_row_of_its_share():
    random = np.random.default_rng(0)
    for seed in range(5):
        groups = random.integers(0, 2000, 20_000)
        label_ids = random.choice(20, 20_000, p=random.dirichlet(np.ones(20)))
        label_ids = np.unique(label_ids, return_inverse=True)[1]
        held_out = hold_out(label_matrix(label_ids), 0.1, seed, groups)
        assert not {*groups[held_out]} & {*groups[~held_out]}
        wanted = targets_of(group_counts(label_ids, groups), 0.1)
        assert np.abs(np.bincount(label_ids[held_out], minlength=len(wanted)) - wanted).max() <= 1


def test_which_of_equal_groups_are_held_out_is_drawn():
    groups = np.repeat(np.arange(20), 5)
    label_ids = np.tile([0, 1, 0, 1, 1], 20)
    drawn = {tuple(groups[hold_out(label_matrix(label_ids), 0.1, seed, groups)]) for seed in range(40)}
    assert len(drawn) > 20
    assert set(map(len, drawn)) == {10}


@settings(max_examples=100, deadline=None)
@given(grouped_rows(most_groups=30), st.integers(2, 6))
def test_no_group_stands_in_two_parts(drawn, parts):
    label_ids, groups, _, seed = drawn
    part_of_row = spread(label_matrix(label_ids), parts, seed, groups)
    assert set(part_of_row) <= set(range(parts))
    assert len(set(zip(groups.tolist(), part_of_row.tolist(), strict=True))) == len(set(groups.tolist()))


@settings(max_examples=100, deadline=None)
@given(grouped_rows(), st.integers(2, 6))
def test_without_groups_the_parts_differ_by_a_row_at_most_of_every_label_and_in_all(drawn, parts):
    label_ids, _, _, seed = drawn
    part_of_row = spread(label_matrix(label_ids), parts, seed)
    counts = np.zeros((parts, label_ids.max() + 1), int)
    np.add.at(counts, (part_of_row, label_ids), 1)
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1


def several_labels(random: np.random.Generator, rows: int, labels: int) -> np.ndarray:
    """Return the labels (N, C) of rows that have some, or none, of which some go together and some are rare."""
    shares = np.linspace(0.5, 0.01, labels)
    has_label = random.random((rows, labels)) < shares
    has_label[:, 1] |= has_label[:, 0] & (random.random(rows) < 0.8)
    return has_label


def test_rows_of_several_labels_or_none_have_a_like_share_of_every_label():
    random = np.random.default_rng(0)
    for seed in range(4):
        has_label = several_labels(random, 3000, 28)
        held_out = hold_out(csr_array(has_label), 0.1, seed)
        wanted = np.clip(np.rint(has_label.sum(axis=0) * 0.1), 1, None)
        assert np.abs(has_label[held_out].sum(axis=0) - wanted).max() <= 1
        has_none = ~has_label.any(axis=1)
        assert abs(held_out[has_none].sum() - has_none.sum() * 0.1) <= 1
        parts = spread(csr_array(has_label), 5, seed)
        of_parts = np.stack([has_label[parts == part].sum(axis=0) for part in range(5)])
        assert np.abs(of_parts - has_label.sum(axis=0) / 5).max() <= 2
        assert np.ptp(np.bincount(parts)) <= 2


def test_groups_of_rows_with_several_labels_stay_on_one_side():
    random = np.random.default_rng(1)
    for seed in range(4):
        has_label = several_labels(random, 2000, 10)
        groups = random.integers(0, 400, 2000)
        held_out = hold_out(csr_array(has_label), 0.2, seed, groups)
        assert not {*groups[held_out]} & {*groups[~held_out]}
        assert np.abs(has_label[held_out].sum(axis=0) - has_label.sum(axis=0) * 0.2).max() <= 1.5


def test_a_single_group_is_not_held_out_and_is_one_part():
    assert hold_out(label_matrix(np.array([0])), 0.1, 0).tolist() == [False]
    assert hold_out(label_matrix(np.array([0, 0])), 0.1, 0, np.array(["u", "u"])).tolist() == [False, False]
    assert spread(label_matrix(np.array([0, 0])), 3, 0, np.array(["u", "u"])).tolist() in ([0, 0], [1, 1], [2, 2])


def test_groups_that_are_too_many_to_look_at_all_ways_are_split_as_well_within_a_row(monkeypatch):
    monkeypatch.setattr(split, "MAX_WAYS", 1)
    random = np.random.default_rng(0)
    for seed in range(20):
        groups = np.repeat(np.arange(14), random.integers(1, 60, 14))
        label_ids = random.choice(4, len(groups), p=random.dirichlet(np.ones(4)))
        label_ids = np.unique(label_ids, return_inverse=True)[1]
        held_out = hold_out(label_matrix(label_ids), 0.2, seed, groups)
        counts = group_counts(label_ids, groups)
        wanted = targets_of(counts, 0.2)
        gap = np.abs(np.bincount(label_ids[held_out], minlength=counts.shape[1]) - wanted).max()
        assert gap <= np.abs(all_splits(counts) - wanted).max(axis=1).min() + 1
