#!/bin/sh
# Make .venv and install the package with the exact versions of constraints.txt; touch $1 when all of it went well.
# $2 names extras of pyproject.toml beside dev, with commas between.
# With uv where it is on PATH, else with venv and pip. Every refusal is one line.
set -eu
stamp=$1
extras=dev${2:+,$2}

refuse() {
    echo "prefactor: error: $1" >&2
    exit 1
}

recent() { # is $1 a Python that is new enough? (a pyenv shim may exist and yet not run)
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    ! command -v uv >/dev/null || uv python find --no-python-downloads '>=3.11' 2>/dev/null || true
}

case $PWD in
*:*) refuse "the path $PWD has a colon, which parts the entries of PATH, and no virtual environment works there: move the folder" ;;
esac
[ -w . ] || refuse "$PWD cannot be written by $(id -un 2>/dev/null || id -u): work in a folder of your own"
if [ -d .venv ] && [ ! -w .venv ]; then
    refuse ".venv cannot be written and is older than pyproject.toml or constraints.txt: let its owner say \`make setup\`, or \`touch $stamp\` if it suits"
fi

free_megabytes() { df -Pm . | awk 'NR == 2 {print $4}'; }

# A .venv that a newer Python or a moved folder has broken is made anew; a sound one is kept and brought up to date.
python=.venv/bin/python
if ! recent "$python"; then
    found=$(find_python)
    if [ -z "$found" ]; then
        have=$(python3 -V 2>&1) || have="no python3"
        refuse "Python 3.11 or newer is needed and PATH has $have: install it (python.org, your package manager, or \`uv python install 3.12\`)"
    fi
fi

# Packages take 3 GB with torch for the CPU and 8 GB with CUDA; which of them pip will fetch cannot be told beforehand.
free=$(free_megabytes)
if ! ls .venv/lib/python*/site-packages/torch >/dev/null 2>&1 && [ "$free" -lt 3000 ]; then
    refuse "$free MB are free on the disk of $PWD and the packages need 3000 (8000 with CUDA): make room, or clone elsewhere"
fi

rm -f "$stamp"
if command -v uv >/dev/null; then
    tool=uv
    # uv has its own names for what pip is told by its environment.
    [ -z "${PIP_FIND_LINKS:-}" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$PIP_FIND_LINKS}"
    [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
    [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || export UV_INDEX="${UV_INDEX:-$PIP_EXTRA_INDEX_URL}"
    [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
    recent "$python" || uv venv --quiet --clear --python "$found" .venv
    set -- uv pip install --quiet --python "$python"
else
    tool=pip
    recent "$python" || "$found" -m venv --clear .venv ||
        refuse "$found cannot make a virtual environment: install its venv module (python3-venv on Debian) or uv"
    "$python" -m pip --version >/dev/null 2>&1 ||
        refuse ".venv has no pip: install it (\`$python -m ensurepip\`), or uv, or remove .venv to have it made anew"
    set -- "$python" -m pip install --quiet --disable-pip-version-check
fi

echo "prefactor: installing .[$extras] into .venv with $tool; a few minutes the first time" >&2
if ! "$@" -c constraints.txt -e ".[$extras]"; then
    refuse "the installation failed as said above ($("$python" -V 2>&1), $tool, $(free_megabytes) MB free on the disk); a package without a \`matching distribution\` wants another Python (3.11 to 3.13) or a network; \`make\` tries again"
fi
touch "$stamp"
