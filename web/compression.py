"""JSON of 1 KB and more goes out as br or gzip where the client takes it. Never events nor files, which have ranges."""

from flask import Flask
from flask_compress import Compress

MIN_BYTES = 1024


def register(app: Flask) -> None:
    """To be registered first: what is registered first sees an answer last."""
    app.config.update(
        COMPRESS_MIMETYPES=["application/json"],
        COMPRESS_ALGORITHM=["br", "gzip"],
        COMPRESS_MIN_SIZE=MIN_BYTES,
        # The library would compress streamed answers piece by piece; ours are files, and events as they happen.
        COMPRESS_STREAMS=False,
    )
    Compress(app)
