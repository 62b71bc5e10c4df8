# make run    the whole pipeline, then the headline table and the page's path
# make serve  the pipeline by a schedule, and edits on demand, on Prefect's page
# make test   make check, then the tests, two files side by side
# make test-all   the same and the tests that start real servers or take long; installs the extras remotes, servers and dask
# make check  ruff and the type checker
# make calibrate   decompose toys whose true components are known, and compare
# make bench       how fast the decomposition engine is, in ratios; after make run, on its text
# make clean  forget .venv and every cache of a tool; DVC's cache and data/ stay
#
# The first of them on a fresh machine installs everything into .venv. Linux wheels of torch bring CUDA with
# them; UV_TORCH_BACKEND=cpu (with uv) or PIP_FIND_LINKS / PIP_EXTRA_INDEX_URL (with pip) choose the smaller CPU build.

INSTALLED := .venv/.installed
EXTRAS := remotes,servers,dask
WITH_EXTRAS := .venv/.installed-extras
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: run serve test test-all check calibrate bench setup clean

run: setup
	@.venv/bin/python -m flows.pipeline

serve: setup
	@.venv/bin/python -m flows.serve --with-parent

test: check
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --dist loadfile

test-all: check $(WITH_EXTRAS)
	@for program in sshd ssh-keygen initdb; do \
		found=$$(PATH="$$PATH:/usr/sbin:/usr/local/sbin:$$(echo /usr/lib/postgresql/*/bin)"; command -v $$program) || \
			echo "prefactor: $$program is not installed: the tests that need it are skipped" \
			"(openssh-server, openssh-client, postgresql)" >&2; \
	done
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --dist loadfile --servers

check: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright

calibrate: setup
	@.venv/bin/python -m benchmarks.calibrate

bench: setup
	@.venv/bin/python -m benchmarks.engine

setup: $(INSTALLED)
	@:

$(INSTALLED): pyproject.toml constraints.txt scripts/setup.sh
	@sh scripts/setup.sh $@

$(WITH_EXTRAS): $(INSTALLED)
	@sh scripts/setup.sh $@ $(EXTRAS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache build *.egg-info
