"""A note: how something in the data was taken where its owner may mean something else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """A note about the data of a job, for the log, the report and the card.

    Attributes:
        text: a sentence without its period, which says what was taken and how to say otherwise.
        setting: the setting that decides it, such as "header"; empty if no setting does.
        column: the name of the column that it is about, if it is about one.
        place: the file or the line that it is about, unless the text names it.
        channel: the channel that it is about.
        title: a short title, if this is a warning: the owner most likely means something else.
    """

    text: str
    setting: str = ""
    column: str = ""
    place: str = ""
    channel: str = ""
    title: str = ""

    @property
    def sentence(self) -> str:
        """The text with its place."""
        return f"{self.place}: {self.text}" if self.place else self.text

    @property
    def line(self) -> str:
        """The note as a line of a log."""
        return f"warning: {self.title}: {self.sentence}" if self.title else self.sentence
