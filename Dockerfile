# One image for every service; docker-compose.yml says which one a container runs.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# The environment has no pip of its own: the build stage's pip fills it, so nothing that installs is left in it.
RUN python -m venv --without-pip /opt/sightline
COPY requirements.txt ./
# Wheels only: with hashes checked and no source built, what is installed is what was locked.
RUN pip --python /opt/sightline/bin/python install --require-hashes --only-binary=:all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY telemetry telemetry
COPY services services
RUN pip --python /opt/sightline/bin/python install --no-build-isolation --no-deps . \
    && pip --python /opt/sightline/bin/python uninstall --yes hatchling editables

FROM python:3.11.14-slim-bookworm
RUN pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
    && groupadd --gid 10001 sightline \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sightline \
    # A named volume takes owner and mode of the directory it is first mounted on.
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/sightline /run/sightline
COPY --from=build /opt/sightline /opt/sightline
ENV PATH=/opt/sightline/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/sightline
CMD ["python", "-m", "services.console"]
