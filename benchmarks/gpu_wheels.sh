#!/usr/bin/env bash
# Wheels for a machine that has torch and can install nothing: what benchmarks/gpu.sh needs besides.
#
#   benchmarks/gpu_wheels.sh FOLDER       then, on that machine: WHEELS=FOLDER benchmarks/gpu.sh
#
# Versions are those of requirements.lock. numpy, OpenCV, scikit-image, pyarrow, torchvision, timm, pytest and hypothesis are not among
# them: a machine for GPU work usually has these; name others that it lacks in MORE.
#
#   FOR=3.12            the Python of that machine, on x86-64 Linux
#   MORE="a b"          further packages of the lock
#   PYTHON=python3      an interpreter with pip
set -eu
cd "$(dirname "$0")/.."
folder=${1:?the folder for the wheels}
training="kornia kornia-rs pydantic pydantic-core annotated-types typing-inspection open-clip-torch regex ftfy wcwidth simplejpeg"
reading="orjson braceexpand webdataset zstandard ijson"
jobs="apache-beam beartype cffi cryptography fastavro httplib2 objsize pytz pyparsing sortedcontainers jsonpickle proto-plus crcmod dill fasteners"
jobs="$jobs cloudpickle grpcio protobuf python-dateutil six requests charset-normalizer urllib3 certifi idna"
pins=()
for name in $training $reading $jobs ${MORE:-}; do
    pin=$(grep -iE "^$name(\[[a-z,]*\])?==" requirements.lock | head -n 1 | sed -E 's/ .*//; s/\[[a-z,]*\]//') || true
    [ -n "$pin" ] && pins+=("$pin")
done
platforms=()
for number in 2_28 2_27 2_24 2_17 2_12 2_5; do platforms+=(--platform "manylinux_${number}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64 --platform any)
"${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: --python-version "${FOR:-3.12}" --implementation cp \
    "${platforms[@]}" --dest "$folder" "${pins[@]}"
du -sh "$folder"
