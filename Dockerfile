# The service in a container, for amd64 and arm64: `docker compose build`, or
# `docker buildx build --platform linux/amd64,linux/arm64 .`. The versions are the locked ones.
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/patrol/.venv
COPY requirements.txt ./
RUN /opt/patrol/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY docs docs
COPY patrol patrol
COPY streams streams
COPY simulators simulators
RUN /opt/patrol/.venv/bin/pip install --no-cache-dir --no-build-isolation --no-deps .

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /site --no-create-home patrol \
    && install -d -o patrol -g patrol -m 750 /site
COPY --from=build /opt/patrol/.venv /opt/patrol/.venv
ENV PATH=/opt/patrol/.venv/bin:$PATH ORT_DISABLE_TELEMETRY=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /site
VOLUME /site
EXPOSE 8624
# /healthz of site.yaml's `metrics:`; 503 while a part does not run.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9624/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["patrol"]
CMD ["-c", "/site", "run"]
