"""Which store the settings name."""

from pathlib import Path

from shared.artifacts.folder import FolderStore
from shared.artifacts.store import ArtifactStore
from shared.redis.breaker import Call, unguarded
from shared.settings import Settings


def open_store(config: Settings, *, call: Call = unguarded) -> ArtifactStore:
    """The store that `ARTIFACTS_URL` names.

    call: what each operation on a bucket goes through, such as a circuit breaker.
    """
    if not config.artifacts_url.startswith("gs://"):
        return FolderStore(Path(config.artifacts_url))
    # Only here: Google's client takes a second to import.
    from shared.artifacts.cache import FileCache
    from shared.artifacts.gcs import GcsStore

    bucket, _, prefix = config.artifacts_url.removeprefix("gs://").partition("/")
    return GcsStore(bucket, prefix, cache=FileCache(config.data_dir / "cache"), call=call)
