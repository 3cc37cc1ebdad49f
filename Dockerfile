# Spelunk for a container: docker build -t spelunk .
# Search a folder:      docker run --rm -v "$PWD:/code:ro" -v spelunk-index:/index spelunk search "retry policy"
# Serve it to a team:   docker run -p 8765:8765 -v /srv/code:/code:ro -v spelunk-index:/index \
#                         -e SPELUNK_TOKEN="$(openssl rand -hex 32)" spelunk serve /code --host 0.0.0.0
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS build
COPY . /source
# The time of the sources, so that the same sources give the same wheel.
ARG SOURCE_DATE_EPOCH=1767225600
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:${PYTHON}-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/spelunk-*.whl)[serve,mcp]"
# The container's user owns no file of the folders that are mounted: reading is all it may do.
RUN useradd --uid 10001 --create-home spelunk \
 && mkdir /index /code \
 && chown spelunk /index
USER spelunk
# git reads repositories of other owners only where it is told to.
RUN git config --global --add safe.directory '*'
ENV SPELUNK_HOME=/index
VOLUME /index
WORKDIR /code
EXPOSE 8765
ENTRYPOINT ["spelunk"]
CMD ["--help"]
