# run    the demonstration on http://127.0.0.1:8000/
# test   the whole suite on both stacks; STACK=sqlite or STACK=postgresql for one, ARGS="-k handover -x" for pytest
# lint   format, style, types, import contracts, migrations and translations
# lock   requirements.lock anew from pyproject.toml; UPGRADE=1 takes newer versions

.PHONY: run test lint lock
MAKEFLAGS += --no-print-directory

run:
	@exec ./run.sh run

test:
	@exec ./run.sh test $(STACK) $(ARGS)

lint:
	@exec ./run.sh lint

lock:
	@exec ./run.sh lock
