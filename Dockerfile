# One image, several commands: the web server (default), `python manage.py worker`, `python manage.py migrate`.
# The base is named by its Debian release, whose PostgreSQL client (17) is the version of compose.yaml's server: pg_dump of
# another version writes backups that the server may not take back. To build the same image for ever, put a digest behind
# the name: python:3.13-slim-trixie@sha256:…

# --- What is installed ------------------------------------------------------------------------------------------
FROM python:3.13-slim-trixie AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/base.txt /tmp/base.txt
RUN python -m venv /venv && /venv/bin/pip install --require-hashes --no-deps -r /tmp/base.txt

# --- What runs --------------------------------------------------------------------------------------------------
FROM python:3.13-slim-trixie
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client-17 && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 portal \
    && useradd --system --uid 10001 --gid 10001 --home-dir /app --shell /usr/sbin/nologin portal
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
# Collecting static files reads the settings; these are thrown away with this layer's shell.
RUN key() { head -c 32 /dev/urandom | base64; } \
    && SECRET_KEY=thrown-away-after-the-static-files-are-collected ENCRYPTION_KEYS="build:$(key)" \
       KEY_PEPPERS="build:$(key)" AUDIT_SIGNING_KEY="$(key)" DATABASE_URL=sqlite://:memory: \
       PUBLIC_URL=http://127.0.0.1:8000 python manage.py collectstatic --noinput \
    && chown -R 10001:10001 /app/var

# As numbers: Kubernetes' runAsNonRoot cannot look a name up.
USER 10001:10001
EXPOSE 8000
# The Host header is PUBLIC_URL's, because the portal answers to no other name. /healthz alone is open to plain http.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s CMD ["python", "-c", "import os, urllib.parse, urllib.request as r; host = urllib.parse.urlsplit(os.environ.get('PUBLIC_URL', '')).netloc or '127.0.0.1'; r.urlopen(r.Request('http://127.0.0.1:8000/healthz', headers={'Host': host}), timeout=3)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "4", "--http", "1", "--workers-kill-timeout", "18", "--respawn-failed-workers", "--log-config", "integrations_portal/granian.json", "integrations_portal.wsgi:application"]
