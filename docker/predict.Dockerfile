# Predicts with a model that `infer.py --export onnx` wrote, without torch; docs/docker.md has the commands.
FROM python:3.12-slim

WORKDIR /app
COPY requirements-infer.txt ./
RUN pip install --no-cache-dir --requirement requirements-infer.txt
COPY infer.py ./
COPY toolkit ./toolkit

RUN useradd --no-create-home --uid 1000 classifier
USER 1000
ENTRYPOINT ["python", "infer.py", "--model_dir", "/model", "--engine", "onnx"]
CMD ["--help"]
