# Trains, scores and exports; docs/docker.md has the commands.
FROM python:3.12-slim

ENV VIRTUAL_ENV=/opt/venv
ENV PATH=/opt/venv/bin:$PATH
RUN python -m venv "$VIRTUAL_ENV"

# The build of torch: the index of PyTorch for CPUs, or that of a CUDA version (.../whl/cu130).
ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# hadolint ignore=DL3013
RUN pip install --no-cache-dir "pdm[locked]" \
    && pip install --no-cache-dir --index-url "$TORCH_INDEX" "$TORCH"

# The groups of pyproject.toml to install beside what every run needs.
ARG PDM_GROUPS="onnx,multilingual,parquet,excel,lora"
WORKDIR /app
COPY pyproject.toml pdm.lock ./
RUN pdm sync --prod --group "$PDM_GROUPS" && rm -rf /root/.cache

COPY main.py test_code.py infer.py utils.py ./
COPY toolkit ./toolkit

# Another user may be named by `docker run --user`: what libraries keep goes to a folder that anybody may write.
ENV HOME=/tmp
RUN useradd --no-create-home --uid 1000 classifier && mkdir data output && chown 1000 output
USER 1000
ENTRYPOINT ["python"]
CMD ["main.py"]
