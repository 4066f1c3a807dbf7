#!/usr/bin/env bash
# Wheels for a machine that has torch and can install nothing: what benchmarks/gpu.sh needs besides.
#
#   benchmarks/gpu_wheels.sh FOLDER       then, on that machine: WHEELS=FOLDER benchmarks/gpu.sh
#
# Versions are those of requirements.lock. Packages that a machine for GPU work usually has are not among them; name those that it lacks in
# MORE. They are numpy, opencv-python-headless, scikit-image, pyarrow, torchvision, timm, regex, pytest and hypothesis, and for the job
# protobuf, grpcio, cloudpickle, requests, urllib3, certifi, idna, charset-normalizer, python-dateutil and six.
#
#   FOR=3.12            the Python of that machine, on x86-64 Linux
#   MORE="a b"          further packages of the lock
#   PYTHON=python3      an interpreter with pip
set -eu
cd "$(dirname "$0")/.."
folder=${1:?the folder for the wheels}
training="kornia kornia-rs pydantic pydantic-core annotated-types typing-inspection open-clip-torch ftfy wcwidth simplejpeg"
reading="orjson braceexpand webdataset zstandard ijson"
jobs="apache-beam beartype cffi cryptography fastavro httplib2 objsize pytz pyparsing sortedcontainers jsonpickle proto-plus crcmod dill fasteners"
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
