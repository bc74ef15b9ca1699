FROM python:3.13-slim AS made
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1
COPY requirements.lock run.sh ./
RUN ./run.sh install
COPY . .
RUN STATE_DIR=/tmp ./run.sh build \
  && .venv/bin/python -m compileall -q config staffing chat registration manage.py \
  && rm -f build/*.txt build/*.log build/lock build/static.made

# The same Python without what the installation left; the files belong to root, the process does not.
FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --home-dir /state --shell /usr/sbin/nologin line \
  && install --directory --owner 10001 --group 10001 --mode 0700 /state
WORKDIR /app
COPY --from=made /app /app
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 STATE_DIR=/state
USER 10001:10001
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, urllib.request as u; host = os.environ.get('ALLOWED_HOSTS', 'localhost').split(',')[0].lstrip('.'); u.urlopen(u.Request('http://127.0.0.1:8000/health/live', headers={'Host': host}), timeout=4)"]
# Core dumps are a matter of the host: `--ulimit core=0`, as in compose.yaml (threat-model K5).
CMD ["python", "-m", "config.server"]
