#!/usr/bin/env bash
# Everything that needs a GPU, in under six minutes, on a machine with Python and torch.
#
#   benchmarks/gpu.sh [--smoke] [FOLDER]
#
# Runs the tests marked gpu and the benchmarks render_gpu, training (eager and compiled, each with the plain loop in the same call)
# and job_gpu (job --gpu), and prints as they go. Their JSON and logs end in FOLDER (default: benchmarks/results/gpu). The last lines
# say what was left out, and why. Exit status: 0 if nothing failed.
#
#   --smoke             tiny sizes on the CPU: shows that every step runs, and measures nothing
#   PYTHON=python3.12   the interpreter that has torch (default: python3)
#   WHEELS=wheels       a folder of wheels for what the machine lacks; they are unpacked beside the logs, torch excepted
#   SECONDS_IN_ALL=340  the limit; a step that no longer fits it is left out
set -u
cd "$(dirname "$0")/.."
smoke=
if [ "${1:-}" = --smoke ]; then
    smoke=yes
    shift
fi
out=${1:-benchmarks/results/gpu}
python=${PYTHON:-python3}
limit=${SECONDS_IN_ALL:-340}
times=1 # of each step's limit
[ -n "$smoke" ] && limit=${SECONDS_IN_ALL:-1800} times=5
began=$SECONDS
left_out=()
failed=()
mkdir -p "$out"

if [ -n "${WHEELS:-}" ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    for wheel in "$WHEELS"/*.whl; do
        case $(basename "$wheel") in torch-* | nvidia_* | triton-*) continue ;; esac
        "$python" -m zipfile -e "$wheel" "$site" || left_out+=("the wheel $(basename "$wheel"): cannot be unpacked")
    done
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi

# missing MODULE... : print those that cannot be imported
missing() {
    "$python" - "$@" <<'PY'
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
PY
}

# step NAME SECONDS "MODULES" COMMAND... : run a step within its time, or say why it was left out
step() {
    local name=$1 seconds=$(($2 * times)) modules=$3 lacking left=$((limit - (SECONDS - began)))
    shift 3
    # shellcheck disable=SC2086
    lacking=$(missing $modules)
    if [ -n "$lacking" ]; then
        left_out+=("$name: this Python has no $lacking")
        return
    fi
    if [ "$left" -lt 20 ]; then
        left_out+=("$name: no time left of $limit s")
        return
    fi
    [ "$left" -lt "$seconds" ] && seconds=$left
    echo "== $name (at most $seconds s)"
    timeout --kill-after=5 "$seconds" "$@" 2>&1 | tee "$out/$name.log"
    local status=${PIPESTATUS[0]}
    case $status in
    0) ;;
    124 | 137) left_out+=("$name: stopped after $seconds s; see $out/$name.log") ;;
    *) failed+=("$name: exit $status; see $out/$name.log") ;;
    esac
}

if [ -n "$(missing torch)" ]; then
    echo "$python has no torch: nothing can run; set PYTHON" >&2
    exit 2
fi
"$python" - <<'PY' | tee "$out/machine.txt"
import os, platform, torch
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none that torch can use"
print(f"GPU: {gpu}; cores: {os.cpu_count()}; Python {platform.python_version()}; torch {torch.__version__}")
PY

export CUBLAS_WORKSPACE_CONFIG=:4096:8 # what bit-equal runs need
export PYTHONUNBUFFERED=1
if [ -n "$smoke" ]; then
    export CUDA_VISIBLE_DEVICES=
    rendering="--device cpu --rounds 2 --clips 2"
    training="--device cpu --models tiny --batch 4 --steps 40 --workers 1"
    compiled=$training
    job="--clips 16"
else
    rendering="--rounds 5"
    training="--models ViT-B-32-quickgelu --steps 40"
    compiled="$training --compile"
    job="--clips 2000"
fi
core="numpy cv2 kornia pydantic yaml skimage"
# shellcheck disable=SC2046,SC2086
{
    # The options of pyproject.toml want plugins that a bare machine may lack.
    step tests 110 "$core pytest hypothesis open_clip av simplejpeg webdataset" \
        "$python" -m pytest -o addopts= --import-mode=importlib -q -m gpu -p no:cacheprovider \
        $(grep -rl "mark.gpu" tests --include="test_*.py")
    step render_gpu 60 "$core" "$python" -m benchmarks.render_gpu $rendering
    step training 90 "$core open_clip fsspec simplejpeg" "$python" -m benchmarks.training --quick $training
    step job_gpu 70 "$core apache_beam fsspec pyarrow simplejpeg" "$python" -m benchmarks.job_gpu $job
    step training_compiled 120 "$core open_clip fsspec simplejpeg triton" \
        "$python" -m benchmarks.training --quick $compiled
}

for name in render_gpu training job_gpu; do
    [ -z "$smoke" ] && [ -e "benchmarks/results/$name.json" ] && cp "benchmarks/results/$name.json" "$out/"
done
echo "== done in $((SECONDS - began)) s; results in $out"
[ ${#left_out[@]} -gt 0 ] && printf 'left out: %s\n' "${left_out[@]}"
[ ${#failed[@]} -gt 0 ] && printf 'failed: %s\n' "${failed[@]}" && exit 1
exit 0
