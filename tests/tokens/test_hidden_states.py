import numpy as np
import torch

from toolkit.tokens import hidden_states
from toolkit.tokens.hidden_states import HiddenStates


def test_the_states_of_rows_come_back_padded_and_in_their_number_format():
    lengths = np.array([3, 1, 2])
    kept = HiddenStates.empty(lengths, 4, torch.bfloat16)
    states = torch.arange(24.0).view(2, 3, 4)
    kept.put(np.array([0, 2]), states)
    kept.put(np.array([1]), states[:1] + 100)
    inputs = kept.inputs(np.array([2, 0, 1]))
    assert inputs["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0]]
    assert inputs["inputs_embeds"].dtype == torch.bfloat16
    expected = torch.zeros(3, 3, 4)
    expected[0, :2], expected[1], expected[2, :1] = states[1, :2], states[0], states[0, :1] + 100
    assert torch.equal(inputs["inputs_embeds"].float(), expected)
    assert kept.bytes == 6 * 4 * 2


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(hidden_states, "MAX_BYTES", 6 * 4 * 4)
    lengths = np.array([3, 1, 2])
    assert HiddenStates.empty(lengths, 4, torch.float32) is not None
    assert HiddenStates.empty(lengths, 5, torch.float32) is None
    assert HiddenStates.empty(lengths, 8, torch.bfloat16) is not None
