# One image for every service; docker-compose.yml says which command each runs.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# Before the code, so that a change of code does not install everything again.
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt

COPY . .
RUN useradd --create-home --uid 10001 klipstream && mkdir /data && chown klipstream /data
USER klipstream
ENV DATA_DIR=/data
EXPOSE 3000
CMD ["gunicorn", "-c", "web/gunicorn.conf.py", "web:app"]
