#!/usr/bin/env bash
# Everything that a GPU is wanted for, in ten minutes: tests, training speed, resume in the same bits, scoring speed.
#
#   bash benchmarks/gpu.sh [OUTPUT]                # on a machine with a GPU and this package with the extra `dev`
#   DEVICE=cpu QUICK=1 bash benchmarks/gpu.sh      # the same steps, as small as they get, to try the script
#
# Each part has a time of its own and ends with it. What is printed is kept in OUTPUT (by default gpu-results), one file a part.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu-results}
device=${DEVICE:-cuda}
python=${PYTHON:-python}
mkdir -p "$out"

if [ -n "${QUICK:-}" ]; then
    steps=("resnet18 2") heavy=resnet18 size=(64 96) counts=(4 2 2) images=4
else
    # the published procedure has no memory for batches of 32, and no time for an epoch
    steps=("resnext101_32x8d 8" "resnext101_32x8d 32 --alone" "resnet50 8") heavy=resnext101_32x8d size=(498 664)
    counts=(882 125 252) images=500
fi

part() { # part NAME SECONDS COMMAND...: run it for at most so long, show and keep what it prints
    local name=$1 seconds=$2
    shift 2
    echo "== $name: $*"
    timeout --signal=INT --kill-after=10 "$seconds" "$@" 2>&1 | tee "$out/$name.txt"
    echo "== $name ended with status ${PIPESTATUS[0]}"
}

[ "$device" = cpu ] || part tests 150 "$python" -m pytest -q --numprocesses 8 --tb=short \
    tests/losses tests/models tests/evaluation tests/training
for step in "${steps[@]}"; do
    read -r network batch alone <<<"$step"
    part "step-$network-$batch" 60 "$python" benchmarks/training.py --device "$device" --architecture "$network" \
        --size "${size[@]}" --batch_size "$batch" --sections step --rounds 2 ${alone:+"$alone"}
done
part epoch 90 "$python" benchmarks/training.py --device "$device" --architecture "$heavy" --size "${size[@]}" \
    --sections epoch --rounds 1 --counts "${counts[@]}" --alone # an eighth of KonIQ-10k's
part resume 240 "$python" benchmarks/resume.py resnet18 --modes native:O1 --words --device "$device"
part scoring 60 "$python" benchmarks/scoring.py --device "$device" --sections speed --count "$images" --rounds 1
