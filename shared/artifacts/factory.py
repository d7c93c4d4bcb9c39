"""Which store the settings name."""

from pathlib import Path

from shared.artifacts.folder import FolderStore
from shared.artifacts.store import ArtifactStore
from shared.redis.breaker import Breakers
from shared.settings import Settings


def open_store(config: Settings, *, breakers: Breakers | None = None) -> ArtifactStore:
    """The store that `ARTIFACTS_URL` names.

    breakers: what each request to a bucket goes through, for the job that it is about.
    """
    if not config.artifacts_url.startswith("gs://"):
        return FolderStore(Path(config.artifacts_url))
    # Only here: Google's client takes a second to import.
    from shared.artifacts.cache import FileCache
    from shared.artifacts.gcs import GcsStore

    bucket, _, prefix = config.artifacts_url.removeprefix("gs://").partition("/")
    return GcsStore(bucket, prefix, cache=FileCache(config.data_dir / "cache"), breakers=breakers)
