# One image for every service; docker-compose.yml and the Helm chart say which command each runs.

FROM python:3.11-slim-bookworm AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
WORKDIR /app
# Before the code, so that a change of code does not install everything again. Wheels only: nothing is compiled.
COPY requirements.txt .
RUN python -m venv /opt/venv \
    && pip install --require-hashes --only-binary :all: -r requirements.txt \
    && pip uninstall --yes pip setuptools
COPY . .
# Byte code is made here, since nothing of the image is written to later. The doctor ends the build when the speech model,
# ffmpeg or another part is missing.
RUN DATA_DIR=/tmp/doctor python -m flask --app web doctor \
    && python -m compileall -q /opt/venv/lib /app

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=1 \
    HOME=/tmp MPLCONFIGDIR=/tmp DATA_DIR=/data
# The user owns its data and nothing else; pip has no use where nothing can be installed.
RUN useradd --no-create-home --uid 10001 klipstream \
    && mkdir /data && chown klipstream:klipstream /data \
    && rm -rf /usr/local/lib/python3.11/site-packages/pip* /usr/local/lib/python3.11/ensurepip /usr/local/bin/pip*
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/health', timeout=5)"]
CMD ["gunicorn", "-c", "web/gunicorn.conf.py", "web:app"]
