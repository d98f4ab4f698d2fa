# Two images from one lock: `serve` (default) answers questions, `train` makes models.
#   docker build -t medqa .                         CPU, without PyTorch
#   docker build --build-arg TORCH=cu130 -t medqa:cu130 .
#   docker build --target train -t medqa:train .
# Pin PYTHON_IMAGE by digest where you build for production: python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Numeric, so that an orchestrator can see that it is not root.
RUN /usr/sbin/groupadd --gid 10001 medqa \
    && /usr/sbin/useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin medqa \
    && mkdir /models

# What never changes with the code: the interpreter's packages.
# Files are copied, not bind-mounted: buildah's cache does not see that a mounted one has changed.
FROM base AS build
ENV PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY docker/requirements.lock docker/serve.lock pyproject.toml docker/requirements.py ./

# A CPU serves by OpenVINO, without PyTorch; a card by PyTorch's build for its CUDA version. What serves is
# taken by its hashes. PyTorch, and extras other than these two, only by version: serve.lock holds
# none of them. OpenVINO's parts for Intel's GPUs and for other formats, half of it, are never asked for,
# nor is what installs packages.
FROM build AS build-serve
ARG TORCH=cpu
ARG EXTRAS=otel,redis
RUN if [ "${EXTRAS}" = otel,redis ]; then \
      pip install --require-hashes --no-deps --requirement serve.lock; \
    fi \
    && if [ "${TORCH}" != cpu ]; then \
      pip install --no-deps --constraint requirements.lock \
        --index-url "https://download.pytorch.org/whl/${TORCH}" torch \
      && rm -rf /opt/venv/lib/python3.*/site-packages/torch/test \
        /opt/venv/lib/python3.*/site-packages/torch/include \
      && EXTRAS="${EXTRAS:+${EXTRAS},}gpu"; \
    fi \
    && python requirements.py pyproject.toml "${EXTRAS}" > requirements.txt \
    && pip install --constraint requirements.lock --requirement requirements.txt \
    && find /opt/venv -path '*/openvino/libs/*' \( -name '*_[gn]pu_plugin.so' -o -name cache.json \
      -o -name '*_frontend.so*' -not -name '*_ir_frontend.so*' \) -delete \
    && rm -rf /opt/venv/lib/python3.*/site-packages/openvino/include \
    && pip uninstall --yes setuptools pip

FROM build AS build-train
ARG TORCH=cpu
# Without PyTorch's C++ tests, which only some builds carry, and headers for a compiler that is not here.
RUN pip install --no-deps --constraint requirements.lock \
      --index-url "https://download.pytorch.org/whl/${TORCH}" torch \
    && rm -rf /opt/venv/lib/python3.*/site-packages/torch/test \
      /opt/venv/lib/python3.*/site-packages/torch/include \
    && python requirements.py pyproject.toml train > requirements.txt \
    && pip install --constraint requirements.lock --requirement requirements.txt

FROM base AS train
LABEL org.opencontainers.image.title="medqa-train" \
      org.opencontainers.image.description="Fine-tunes GPT-2 on MedQuAD." \
      org.opencontainers.image.licenses="MIT"
ENV HF_HOME=/tmp/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib
COPY --from=build-train /opt/venv /opt/venv
WORKDIR /opt/medqa
COPY LICENSE ./
COPY training training
USER 10001:10001
ENTRYPOINT ["python", "-m", "training"]

FROM base AS serve
LABEL org.opencontainers.image.title="medqa" \
      org.opencontainers.image.description="Medical questions answered by GPT-2, fine-tuned and base side by side." \
      org.opencontainers.image.licenses="MIT AND CC-BY-4.0"
# Nothing is fetched at run time: GPT-2 itself is found in /models/hub, if it was put there.
ENV HF_HUB_CACHE=/models/hub \
    HF_HUB_OFFLINE=1 \
    MEDQA_HOST=0.0.0.0 \
    XDG_CACHE_HOME=/tmp
COPY --from=build-serve /opt/venv /opt/venv
WORKDIR /opt/medqa
COPY LICENSE docker/healthcheck.py ./
COPY models/README.md models/README.md
COPY models/demo models/demo
COPY models/references models/references
COPY app app
EXPOSE 8000
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "healthcheck.py"]
CMD ["python", "-m", "app"]
