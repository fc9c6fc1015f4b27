FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends tesseract-ocr \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt

# Uploads and reports; the only place that the processes write to.
RUN useradd --uid 10001 --create-home longhaul && install --directory --owner=longhaul --mode=0700 /data
ENV LONGHAUL_DATA_DIR=/data PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /data

COPY . .
USER longhaul
EXPOSE 8000
