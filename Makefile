# run    the demonstration on http://127.0.0.1:8000/
# test   the whole suite on both stacks; STACK=sqlite or STACK=postgresql for one, ARGS="-k handover -x" for pytest,
#        ARGS=--everything for rules, pages and browsers on PostgreSQL too
# bench  one table: the product against a floor written by hand, on both stacks; SHORT=1 within two minutes, ROUNDS=5 for more
# lint   format, style, types, import contracts, migrations and translations
# lock   requirements.lock anew from pyproject.toml; UPGRADE=1 takes newer versions

.PHONY: run test bench lint lock
MAKEFLAGS += --no-print-directory

run:
	@exec ./run.sh run

test:
	@exec ./run.sh test $(STACK) $(ARGS)

bench:
	@exec ./run.sh bench $(if $(SHORT),--short) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(STACK),--stack $(STACK))

lint:
	@exec ./run.sh lint

lock:
	@exec ./run.sh lock
