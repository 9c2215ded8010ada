"""Choose the pretrained model of a run that names none: English, or multilingual where the texts are not in English."""

from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.base.languages import Text
from toolkit.compute.processes import Processes
from toolkit.models.locate import EMBEDDED, resolve_model
from toolkit.models.multilingual import FULL_NAME, MULTILINGUAL, how_to_install, is_installed
from toolkit.models.pretrained import load_tokenizer
from toolkit.models.texts import CHOICE
from toolkit.models.vocabulary import alphabet_of
from toolkit.tokens.unknown_characters import sampled, unknown_characters

LATIN = ("LATIN", "FULLWIDTH")  # alphabet_of its letters
MAX_OTHER_LETTERS = 0.5  # of another alphabet than the Latin one, in texts for the English model


@dataclass(frozen=True)
class ChosenModel:
    """The pretrained model of a run."""

    name: str  # as run.json has it, and as --model may name it
    source: str  # its directory, or its id on the hub
    notes: tuple[Text, ...] = ()  # what has to be said of the choice


def choose_model(name: str | None, texts: Sequence[str], max_unknown: float) -> ChosenModel:
    """Return the model that --model names, or for None the one of those that come in packages that reads the texts.

    That is the embedded English one unless a larger share of the characters than `max_unknown` is unknown to it, or
    most letters are not Latin, and the multilingual one is installed. Raises UserError where there is no such model.
    """
    if name is not None:
        return ChosenModel(name, resolve_model(name))
    english = resolve_model(None)
    unknown_share, _ = unknown_characters(load_tokenizer(english), texts)
    other_share = share_of_other_letters(texts)
    if unknown_share > max_unknown:
        reason = CHOICE["unknown"].fill(share=unknown_share, model=EMBEDDED)
    elif other_share > MAX_OTHER_LETTERS:
        reason = CHOICE["letters"].fill(share=other_share, model=EMBEDDED)
    else:
        return ChosenModel(EMBEDDED, english)
    if is_installed():
        source = resolve_model(MULTILINGUAL)
        note = CHOICE["multilingual"].fill(model=FULL_NAME, folder=source, reason=reason)
        return ChosenModel(MULTILINGUAL, source, (note,))
    note = CHOICE["install"].fill(reason=reason, command=how_to_install())
    return ChosenModel(EMBEDDED, english, (note,))


def share_model(processes: Processes, chosen: ChosenModel | None) -> ChosenModel:
    """Return, in every process, the model that the main one has chosen, where it lies on this machine."""
    name = processes.broadcast(None if chosen is None else chosen.name)
    if chosen is not None:
        return chosen
    return ChosenModel(name, resolve_model(name))


def share_of_other_letters(texts: Sequence[str]) -> float:
    """Return the share of the letters of some of the texts that are of another alphabet than the Latin one."""
    letters = [character for text in sampled(texts) for character in text if character.isalpha()]
    others = sum(alphabet_of(letter) not in LATIN for letter in letters)
    return others / max(len(letters), 1)
