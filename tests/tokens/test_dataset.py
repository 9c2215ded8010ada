import numpy as np
import pytest
import torch

from toolkit.tokens.dataset import TokenDataset, concatenate, dataset_of


def dataset(rows: int, length: int) -> TokenDataset:
    ids = torch.ones(rows, length, dtype=torch.int32)
    types = torch.zeros(rows, 0, dtype=torch.uint8)
    return TokenDataset(ids, types, torch.arange(rows) + 1, torch.arange(rows))


@pytest.mark.parametrize("token_types", [False, True])
def test_a_dataset_pads_its_rows_on_the_right(token_types):
    rows = [np.array([5, 6]), np.array([7]), np.array([1, 2, 3])]
    types = [np.array([0, 1]), np.array([0]), np.array([0, 0, 1])] if token_types else None
    made = dataset_of(rows, types, padding=9, label_ids=np.array([1, 0, 1]))
    assert made.input_ids.tolist() == [[5, 6, 9], [7, 9, 9], [1, 2, 3]]
    assert made.token_type_ids.tolist() == ([[0, 1, 0], [0, 0, 0], [0, 0, 1]] if token_types else [[], [], []])
    assert made.lengths.tolist() == [2, 1, 3]
    assert made.label_ids.tolist() == [1, 0, 1]
    assert [tensor.dtype for tensor in made.tensors] == [torch.int32, torch.uint8, torch.int64, torch.int64]


def test_rows_without_a_label_have_the_label_number_minus_one():
    assert dataset_of([np.array([5]), np.array([6])], None, padding=0).label_ids.tolist() == [-1, -1]


def test_no_rows_make_an_empty_dataset():
    assert len(dataset_of([], None, padding=0)) == 0


def test_rows_are_selected_in_the_order_in_which_they_are_named():
    assert dataset(5, 4).select(np.array([3, 0, 3])).label_ids.tolist() == [3, 0, 3]


def test_concatenated_datasets_keep_all_rows_whichever_is_wider():
    narrow, wide = dataset(2, 5), dataset(3, 4)
    for first, second in ((narrow, wide), (wide, narrow)):
        joined = concatenate(first, second)
        assert joined.input_ids.shape == (5, 5)
        assert joined.input_ids.dtype == torch.int32
        assert joined.token_type_ids.shape == (5, 0)
        assert joined.input_ids.sum() == 2 * 5 + 3 * 4
        assert joined.lengths.tolist() == [*first.lengths, *second.lengths]
        assert joined.label_ids.tolist() == [*first.label_ids, *second.label_ids]


def windowed(counts: list[int], first_label: int = 0) -> TokenDataset:
    """Return a dataset of rows with so many windows each, of 3, 4, 5 ... tokens, which are all the row's label."""
    row_ids = np.repeat(np.arange(len(counts)), counts)
    rows = [np.full(3 + number, first_label + row) for number, row in enumerate(row_ids)]
    return dataset_of(rows, None, 0, first_label + np.arange(len(counts)), row_ids)


def test_a_window_has_the_targets_of_its_row_and_a_selection_keeps_them():
    targets = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    made = windowed([2, 1, 3]).with_targets(targets)
    assert torch.equal(made.targets_of(np.array([5, 0, 2])), targets[[2, 0, 1]])
    assert torch.equal(made.select(np.array([2, 0])).targets, targets[[2, 0]])
    assert torch.equal(made.with_states(None).targets, targets)
    assert made.with_targets(None).targets_of(np.array([0])) is None


def test_rows_and_their_windows_are_told_apart():
    made = windowed([2, 1, 3])
    assert (len(made), made.row_count) == (6, 3)
    assert made.label_ids.tolist() == [0, 1, 2]
    assert made.lengths.tolist() == [3, 4, 5, 6, 7, 8]
    assert made.row_lengths.tolist() == [7, 5, 21]
    assert made.is_last_window.tolist() == [False, True, True, False, False, True]
    assert made.windows_of(np.array([2, 0])).tolist() == [3, 4, 5, 0, 1]
    assert made.windows_by_length(np.array([2, 0])).tolist() == [0, 1, 3, 4, 5]
    np.testing.assert_allclose(made.shares(np.array([0, 2, 5])).numpy(), [1 / 2, 1, 1 / 3])


def test_without_windows_rows_are_what_goes_through_a_model():
    made = dataset(4, 3)
    rows = np.array([2, 0])
    assert made.row_count == 4
    assert made.windows_of(rows) is rows
    assert made.windows_by_length(rows) is rows
    assert made.shares(rows) is None
    assert made.row_ids.tolist() == [0, 1, 2, 3]
    assert made.row_lengths.tolist() == made.lengths.tolist()


def test_rows_with_windows_are_selected_and_concatenated_whole():
    chosen = windowed([2, 1, 3]).select(np.array([2, 1]))
    assert chosen.row_ids.tolist() == [0, 0, 0, 1]
    assert chosen.label_ids.tolist() == [2, 1]
    assert chosen.lengths.tolist() == [6, 7, 8, 5]
    joined = concatenate(windowed([2, 1]), windowed([1, 2], first_label=7))
    assert joined.row_ids.tolist() == [0, 0, 1, 2, 3, 3]
    assert joined.label_ids.tolist() == [0, 1, 7, 8]
    none = dataset_of([], None, 0, None, np.zeros(0, np.int64))
    assert (none.row_count, none.has_windows, len(none.windows_of(np.zeros(0, int)))) == (0, True, 0)


def test_which_of_several_labels_rows_have_goes_with_them():
    truth = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    ids = [np.array([5]), np.array([6]), np.array([7]), np.array([8])]
    made = dataset_of(ids, None, padding=0, label_ids=truth, row_ids=np.array([0, 1, 1, 2]))
    assert made.tensors[3].dtype == torch.uint8
    np.testing.assert_array_equal(made.label_ids, truth)
    np.testing.assert_array_equal(made.select(np.array([2, 0])).label_ids, truth[[2, 0]])
    np.testing.assert_array_equal(concatenate(made, made).label_ids, np.concatenate([truth, truth]))
