"""What a file calls the columns of its text, second text, label and group."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit.base.errors import UserError
from toolkit.cli.sections import ColumnOptions, LabelSetOptions
from toolkit.files.texts import NO_PAIRS

SEMICOLON = ";"  # between several labels of a row, where no option names another separator
ONE_LABEL = LabelSetOptions()
TEXT_PAIR_IF_PRESENT = "\0"  # a text_pair to be read from the column text_pair if the file has one; no name holds a NUL


@dataclass(frozen=True)
class Columns:
    """What a file calls the columns of text, text_pair (None: single texts) and label (None: unlabelled rows).

    Rows with the same `group` are kept on one side of a split; None: rows belong to no groups. Where a row may have
    several labels, they stand in the column of the label, or there is a column for each label instead
    (`label_columns`), which says of every row whether it has it.
    """

    text: str = "text"
    text_pair: str | None = None
    label: str | None = "label"
    group: str | None = None
    label_columns: tuple[str, ...] = ()
    label_separator: str | None = None  # between several labels, also of a prediction; None: a row has one label
    named: tuple[str, ...] = field(default=(), compare=False)  # those that options name, other than as they are called
    group_if_present: bool = field(default=False, compare=False)  # a file without such a column will do

    @classmethod
    def to_train_on(
        cls, options: ColumnOptions, group: str | None = None, label_sets: LabelSetOptions = ONE_LABEL
    ) -> "Columns":
        """Return the columns that options name, with a text_pair if they name one or the file has one.

        `group` is the name of the column of the group, None if there is none; `label_sets` say whether a row may have
        several labels.
        """
        columns = replace(cls(), text_pair=TEXT_PAIR_IF_PRESENT, group=group)._with_names(options)
        if not label_sets.multi_label:
            return columns
        columns = replace(columns, label_separator=label_sets.label_separator or SEMICOLON)
        if not label_sets.label_columns:
            return columns
        return replace(columns, label=None, label_columns=tuple(label_sets.label_columns))

    def _with_names(self, options: ColumnOptions) -> "Columns":
        """Return them with the names that options give, which are not looked for under another name."""
        given = {
            "text": options.text_column,
            "text_pair": options.pair_column,
            "label": options.label_column,
        }
        names: dict[str, Any] = {role: name for role, name in given.items() if name}
        named = tuple(role for role, name in names.items() if name != role)
        if "label" in names:
            names["label_columns"] = ()
        return replace(self, **names, named=named)

    @classmethod
    def from_json(cls, names: Mapping) -> "Columns":
        """Return the columns that run.json names."""
        return cls(
            names["text"],
            names["text_pair"],
            names["label"],
            names.get("group"),
            tuple(names.get("label_columns", ())),
            names.get("label_separator"),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what run.json says of them."""
        content: dict[str, Any] = {"text": self.text, "text_pair": self.text_pair, "label": self.label}
        if self.group is not None:
            content["group"] = self.group
        if self.label_columns:
            content["label_columns"] = list(self.label_columns)
        if self.label_separator is not None:
            content["label_separator"] = self.label_separator
        return content

    def renamed(self, options: ColumnOptions) -> "Columns":
        """Return them with the names that options give, and a group if the file has one.

        Raises UserError for a name of a text_pair where there is none.
        """
        if options.pair_column and not self.text_pair:
            raise UserError(NO_PAIRS)
        return self._with_names(options).to_look_at()

    def to_look_at(self) -> "Columns":
        """Return the columns of a file that is not split, which may be without a group."""
        return replace(self, group_if_present=True)

    def unlabelled(self) -> "Columns":
        """Return the columns of a file without labels."""
        return replace(self, label=None, label_columns=(), group=None)

    @property
    def have_label_sets(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.label_separator is not None

    @property
    def are_labelled(self) -> bool:
        """Whether the rows have labels."""
        return self.label is not None or bool(self.label_columns)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names to look for, that of the text first."""
        pair = "text_pair" if self.text_pair == TEXT_PAIR_IF_PRESENT else self.text_pair
        return tuple(
            name for name in (self.text, pair, self.label, *self.label_columns, self.group) if name is not None
        )

    @property
    def names(self) -> list[str]:
        """The names of those of texts and labels that there are."""
        return [name for name in (self.text, self.text_pair, self.label, *self.label_columns) if name is not None]

    @property
    def read_names(self) -> list[str]:
        """The names of all that are read."""
        return self.names if self.group is None else [*self.names, self.group]
