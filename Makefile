# The commands a person types; `make help` lists them. What takes more than a line stands in scripts/.

.DEFAULT_GOAL := help
.PHONY: help run test lint deny fuzz fmt coverage bench-import bench-clicks up down test-fleet test-console screenshots rehearse load bench users

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve on http://127.0.0.1:8080 from the embedded database
	cargo run --locked -- serve

test: ## Run every test on SQLite and PostgreSQL (TEST_DATABASE_URL: use that server)
	scripts/test

lint: ## Check layout, lints, documentation, workflows and alerts, warnings denied
	scripts/lint

deny: ## Check the licences, sources and known advisories of what buoy is built from
	scripts/deny

fuzz: ## Send buoy what anybody may send, for FUZZ_SECONDS (60) a property: no panic, no 5xx, no hang
	scripts/fuzz

fmt: ## Lay the code out
	cargo fmt --all

coverage: ## Run every test and print how much of the code they reach
	scripts/coverage

bench-import: ## Import 1,000,000 links into both databases: rows per second, and memory (ROWS=n)
	scripts/bench-import

bench-clicks: ## Measure redirects, statistics and lists of events at 10,000 to 10,000,000 events (SIZES=…)
	scripts/bench-clicks

up: ## Build and start the fleet in containers, with an administrator's token in .env
	scripts/token
	BUOY_VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1) BUOY_COMMIT=$$(git rev-parse HEAD) \
	  docker compose up --build --detach --wait

down: ## Stop the fleet; its data stays
	docker compose down

test-fleet: ## Test the fleet over real containers (needs a container engine)
	cargo test --workspace --locked --test fleet

test-console: ## Walk through the console in Chromium (Debian: chromium, chromium-driver)
	cargo test --workspace --locked --test console

screenshots: ## Write docs/images with the console's pages, in Chromium
	cargo test --workspace --locked --test console -- screenshots

rehearse: ## Rehearse the deployment of .do/app.yaml in containers, under load (needs a container engine)
	cargo run --quiet --locked -p platform -- rehearse

load: ## Load the fleet with 200 users for 60 s (HOST_URL, USERS, SECONDS_LONG; starts it if nothing answers)
	scripts/load

bench: ## Measure redirects and the API beside bare handlers (ROUNDS, PHASE, ONLY; needs a container engine)
	scripts/bench

users: ## Measure 200 to 5,000 users, for five minutes (needs a container engine)
	scripts/users
