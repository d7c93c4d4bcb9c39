"""Chat files of every form that people have, told apart by content: comments with times, read in bounded memory."""

from workers.download.chat_forms.entry import Clock, Entry, Facts
from workers.download.chat_forms.forms import read_entries
from workers.download.chat_forms.packing import ChatText, opened

__all__ = ["ChatText", "Clock", "Entry", "Facts", "opened", "read_entries"]
