#!/usr/bin/env bash
# Everything that needs a GPU, in under six minutes, on a machine with Python and torch.
#
#   benchmarks/gpu.sh [--smoke] [FOLDER]
#
# Runs these parts in this order, each on its own: one that fails, or lacks a package, stops no other.
#
#   render_gpu      rendering: device and host time of a batch, operators, difference from the CPU's frames
#   training        `zoetrope train` with ViT-B/32 and clips of 12 frames, compiled, and a plain loop
#   tests           the tests marked gpu, but for those that compile a model
#   job_gpu         `zoetrope animate` with and without the GPU
#   encode_gpu      nvJPEG through TorchCodec and torchvision, and the CPU's encoder
#   tests_compiled  the other tests marked gpu, which spend their time in the compiler
#   training_b16    as training, with ViT-B/16
#   largest_batch   the largest batch of ViT-B/32 with and without gradient checkpointing
#   training_loose  as training, with deterministic=false
#   training_eager  as training, not compiled
#   job_workers     how the job grows with 1, 2, 4, 8 and 16 workers
#
# The last six usually need a second run, which takes longer; both together answer every line of the table:
#   PARTS="tests_compiled training_b16 largest_batch training_loose training_eager job_workers" SECONDS_IN_ALL=480 benchmarks/gpu.sh FOLDER
#
# Prints as it goes. FOLDER (default: benchmarks/results/gpu) gets gpu.log and, after each part, its JSON, which names the card and the
# versions (benchmarks/results has the same JSON). Then `benchmarks.gpu_table` compares what was measured with what is wanted, and the last
# lines say what was left out or failed, and why. A run with PARTS adds to the log. Exit status: 0 if nothing failed, 2 without torch.
# Afterwards, anywhere:
#   python -m benchmarks.hours      writes the measured MFU, and the hours that follow, into the recipes of training
#
#   --smoke             tiny sizes on the CPU: shows that every part runs, and measures nothing
#   PARTS="a b"         these parts alone, in this order
#   PYTHON=python3.12   the interpreter that has torch (default: python3)
#   WHEELS=wheels       a folder of wheels for what the machine lacks (benchmarks/gpu_wheels.sh makes it); they are unpacked to a temporary
#                       folder, torch excepted
#   SECONDS_IN_ALL=340  the limit; a part that no longer fits it is left out
set -u
cd "$(dirname "$0")/.."
smoke=
if [ "${1:-}" = --smoke ]; then
    smoke=yes
    shift
fi
out=${1:-benchmarks/results/gpu}
python=${PYTHON:-python3}
first="render_gpu training tests job_gpu encode_gpu"
parts=${PARTS:-$first tests_compiled training_b16 largest_batch training_loose training_eager job_workers}
limit=${SECONDS_IN_ALL:-340}
times=1 # of each part's limit
[ -n "$smoke" ] && limit=${SECONDS_IN_ALL:-1800} times=5
began=$SECONDS
left_out=()
failed=()
mkdir -p "$out"
log=$out/gpu.log
[ -n "${PARTS:-}" ] || : >"$log" # a run of some parts adds to the log of the run before
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
touch "$scratch/started"

say() { echo "$@" | tee -a "$log"; }

if [ -n "${WHEELS:-}" ]; then
    for wheel in "$WHEELS"/*.whl; do
        case $(basename "$wheel") in torch-* | nvidia_* | triton-*) continue ;; esac
        "$python" -m zipfile -e "$wheel" "$scratch/site" || left_out+=("the wheel $(basename "$wheel"): cannot be unpacked")
    done
    export PYTHONPATH="$scratch/site${PYTHONPATH:+:$PYTHONPATH}"
fi

# missing MODULE... : print those that cannot be imported
missing() {
    "$python" - "$@" <<'PY'
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
PY
}

# part NAME SECONDS "MODULES" COMMAND... : run a part within its time, or say why it was left out
part() {
    local name=$1 seconds=$(($2 * times)) modules=$3 lacking left=$((limit - (SECONDS - began)))
    shift 3
    # shellcheck disable=SC2086
    lacking=$(missing $modules)
    if [ -n "$lacking" ]; then
        left_out+=("$name: this Python has no $lacking")
        return
    fi
    if [ "$left" -lt $((seconds / 2)) ]; then
        left_out+=("$name: $left s left of $limit, and it takes up to $seconds; PARTS=$name runs it alone")
        return
    fi
    [ "$left" -lt "$seconds" ] && seconds=$left
    say "== $name (at most $seconds s; $((SECONDS - began)) s are over)"
    # Not a pipe to `tee`: that would wait for any process of a stopped part that still holds the pipe.
    timeout --kill-after=5 "$seconds" "$@" > >(tee -a "$log" "$scratch/$name.log") 2>&1
    local status=$?
    sleep 0.3 # until `tee` has written the rest
    case $status in
    0) ;;
    124 | 137) left_out+=("$name: stopped after $seconds s, what it measured by then is kept; PARTS=$name runs it alone") ;;
    *) failed+=("$name: exit $status: $(grep -v '^ *$' "$scratch/$name.log" | tail -n 1 | cut -c 1-200)") ;;
    esac
    keep
}

# keep : copy the JSON that was made since the start
keep() {
    local name made
    for name in render_gpu training job_gpu encode_gpu job_workers; do
        made=benchmarks/results/$name.json
        if [ -z "$smoke" ] && [ "$made" -nt "$scratch/started" ]; then cp "$made" "$out/"; fi
    done
}

if [ -n "$(missing torch)" ]; then
    echo "$python has no torch: nothing can run; set PYTHON" >&2
    exit 2
fi
"$python" - <<'PY' 2>&1 | tee -a "$log"
import importlib.util, os, platform, shutil, torch
gpu = "none that torch can use"
if torch.cuda.is_available():
    gpu = f"{torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory / 1e9:.0f} GB"
shm = f"{shutil.disk_usage('/dev/shm').total / 1e9:.1f} GB" if os.path.exists("/dev/shm") else "none"
compiler = shutil.which(os.environ.get("CC", "gcc")) or "none, so nothing is compiled"
triton = "yes" if importlib.util.find_spec("triton") else "no"
print(f"GPU: {gpu}; cores: {os.cpu_count()}; /dev/shm: {shm}; C compiler: {compiler}; Triton: {triton}")
print(f"Python {platform.python_version()}; torch {torch.__version__}; CUDA {torch.version.cuda}")
PY

export CUBLAS_WORKSPACE_CONFIG=:4096:8 # what bit-equal runs need
export PYTHONUNBUFFERED=1
if [ -n "$smoke" ]; then
    export CUDA_VISIBLE_DEVICES=
    rendering="--device cpu --rounds 2 --clips 2"
    encoding="--device cpu --rounds 2 --clips 2"
    tiny="--device cpu --batch 4 --most 16 --steps 40 --workers 1 --models tiny"
    b32=$tiny b16=$tiny compiled=eager loose=eager
    job="--clips 16" grown="--workers 1 --clips 4 --rounds 2"
else
    rendering="--rounds 5"
    encoding=
    b32="--steps 40 --models ViT-B-32-quickgelu" b16="--steps 35 --models ViT-B-16-quickgelu"
    compiled=compiled loose=loose
    job="--clips 2000" grown="--workers 1,2,4,8,16 --clips 150 --rounds 2"
fi
core="numpy cv2 kornia pydantic yaml skimage"
trains="$core open_clip braceexpand fsspec orjson pyarrow simplejpeg"
jobs="$core apache_beam fsspec ijson orjson pyarrow simplejpeg"
pytest="-o addopts= --import-mode=importlib -q -m gpu -p no:cacheprovider"
marked=$(grep -rl "mark.gpu" tests --include="test_*.py")
for name in $parts; do
    # shellcheck disable=SC2046,SC2086
    case $name in
    render_gpu) part $name 50 "$core" "$python" -m benchmarks.render_gpu $rendering ;;
    training) part $name 170 "$trains" "$python" -m benchmarks.training --quick $b32 --modes $compiled ;;
    tests) # the options of pyproject.toml want plugins that a bare machine may lack
        part $name 90 "$trains pytest hypothesis" "$python" -m pytest $pytest -k "not compiled" $marked ;;
    tests_compiled) part $name 150 "$trains pytest hypothesis" "$python" -m pytest $pytest -k compiled $marked ;;
    job_gpu) part $name 70 "$jobs" "$python" -m benchmarks.job_gpu $job ;;
    encode_gpu) part $name 25 "$core simplejpeg" "$python" -m benchmarks.encode_gpu $encoding ;;
    training_b16) part $name 140 "$trains" "$python" -m benchmarks.training --quick $b16 --modes $compiled ;;
    largest_batch) part $name 150 "$trains" "$python" -m benchmarks.training --search --grain 64 $b32 --modes eager ;;
    training_loose) part $name 110 "$trains" "$python" -m benchmarks.training --quick $b32 --modes $loose ;;
    training_eager) part $name 70 "$trains" "$python" -m benchmarks.training --quick $b32 --modes eager ;;
    job_workers) part $name 90 "$jobs" "$python" -m benchmarks.job $grown ;;
    *) left_out+=("$name: there is no such part") ;;
    esac
done

say "== done in $((SECONDS - began)) s; results in $out"
"$python" -m benchmarks.gpu_table "$out" 2>&1 | tee -a "$log"
[ ${#left_out[@]} -gt 0 ] && printf 'left out: %s\n' "${left_out[@]}" | tee -a "$log"
[ ${#failed[@]} -gt 0 ] && printf 'failed: %s\n' "${failed[@]}" | tee -a "$log" && exit 1
exit 0
