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
