"""Serve a small model from a GGUF file on this machine: ``python scripts/serve_gguf.py FILE [--port 8080]``

An OpenAI-compatible endpoint for a labeller or a judge where no other is at hand, by llama.cpp as ``xllamacpp`` brings
it (``pip install xllamacpp==2026.10.11549``, in an environment of its own: the project does not need it). Answers are
held to the schema that they are asked for. It listens on the loopback interface until it is interrupted.
"""

import argparse
import signal
from pathlib import Path

import xllamacpp  # pyright: ignore[reportMissingImports]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a model, *.gguf")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--context", type=int, default=4096, help="tokens of a prompt and its answer")
    args = parser.parse_args()
    if not args.file.is_file():
        parser.error(f"{args.file} is no file; give the path of a *.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(args.file)
    params.model_alias = {args.file.stem}
    params.hostnames = ["127.0.0.1"]
    params.port = args.port
    params.n_ctx, params.n_parallel = args.context, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    server = xllamacpp.Server(params)
    print(f"export PREFACTOR_LLM_URL={server.listening_address}/v1 PREFACTOR_LLM_MODEL={args.file.stem}", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
