# The app for a lab server or a Space.
#   docker build -t pruneattr .                                                   CPU
#   docker build -t pruneattr --build-arg WHEELS=https://pypi.org/simple .        NVIDIA GPU: run with --gpus all
#   docker run -p 8501:8501 -e PRUNEATTR_HOSTS="prune.example.org" pruneattr
FROM python:3.13-slim

ARG WHEELS=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1

COPY . /source
RUN pip install --extra-index-url "$WHEELS" "/source[app]" && rm -rf /source \
    && useradd --create-home --uid 1000 visitor

USER visitor
# Weights that are downloaded, reviews and runs: a volume keeps them.
ENV HOME=/home/visitor XDG_CACHE_HOME=/home/visitor/data/cache XDG_DATA_HOME=/home/visitor/data/share \
    TORCH_HOME=/home/visitor/data/torch HF_HOME=/home/visitor/data/huggingface
WORKDIR /home/visitor
RUN mkdir data
VOLUME /home/visitor/data

# Visitors are others: every form that names files of this machine is closed, see SECURITY.md.
ENV PRUNEATTR_GROUP=1 PRUNEATTR_HOSTS=localhost
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health')"]
CMD ["sh", "-c", "exec pruneattr app --server.address=0.0.0.0 --server.port=8501 --server.headless=true $(for host in $PRUNEATTR_HOSTS localhost 127.0.0.1; do printf ' --server.allowedHosts=%s' \"$host\"; done)"]
