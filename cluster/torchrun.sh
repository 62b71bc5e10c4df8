#!/bin/sh
# Run one stage on several nodes: `sh cluster/torchrun.sh decompose` on each of them, in one folder that all see.
# NNODES nodes, this one is NODE_RANK (0 first), they meet at MASTER_ADDR:MASTER_PORT, where node 0 is;
# PREFACTOR_PROCESSES on each, PREFACTOR_SHARD=1 to share the state too. After it `dvc commit -f STAGE` on one of them.
set -eu
: "${NNODES:?how many nodes}" "${NODE_RANK:?which of them this is, from 0}" "${MASTER_ADDR:?where node 0 is}"
stage=$1
case $stage in
    decompose | importance | harvest) ;;
    *) echo "cluster/torchrun.sh $stage: decompose, importance and harvest alone can be shared" >&2; exit 2 ;;
esac
exec python -m torch.distributed.run --nnodes "$NNODES" --node-rank "$NODE_RANK" \
    --nproc-per-node "${PREFACTOR_PROCESSES:-1}" --master-addr "$MASTER_ADDR" --master-port "${MASTER_PORT:-29500}" \
    -m "stages.$stage"
