# `make run` and `make test` need a Rust toolchain and a C compiler, nothing else.
.DEFAULT_GOAL := help
.PHONY: help run serve local-aws test test-full test-long test-page bench bench-smoke train evaluate evaluate-kernel evaluate-attacks evaluate-attacks-both evaluate-corpora evaluate-supply evaluate-licences check-corpus invoke lint release package package-crate test-deploy build-ApiFunction build-UploadsFunction build-ScorerFunction fuzz fuzz-smoke hostile faults soak constant-time crate-tools sbom reproducible pgo advisories clean

CARGO ?= cargo
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
# Python tools of `make test-full` and `make invoke`; made on demand, ignored by git.
VENV ?= .venv
KEY ?= local-key

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

run: ## build, then judge the bundled human and synthetic clips
	$(CARGO) build --profile quick --no-default-features --features server --bin voxproof
	@echo
	@echo "tests/data/human: recordings of people"
	@target/quick/voxproof detect tests/data/human
	@echo "tests/data/ai: synthetic speech"
	@target/quick/voxproof detect tests/data/ai

serve: ## build, then serve the HTTP API on port 8080 with the key $(KEY)
	$(CARGO) build --profile quick --no-default-features --features server --bin voxproof
	API_KEY=$(KEY) target/quick/voxproof serve

local-aws: $(VENV)/bin/moto_server ## uploads to results on this machine: S3 and SQS by moto, the real API and scorer
	$(CARGO) build --profile quick --no-default-features --features server,scorer --bin voxproof --bin lambda_scorer
	$(VENV)/bin/python scripts/local-aws $(if $(TRY),--try $(TRY))

test: ## every test that needs nothing but Rust
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --all-features --no-fail-fast
else
	@echo "cargo-nextest is not installed: using cargo test"
	$(CARGO) test --all-features --no-fail-fast --lib --bins --tests
endif
	$(CARGO) test --all-features --doc
	@scripts/skipped

test-full: export REQUIRE_MOTO = 1
test-full: $(VENV)/bin/schemathesis test ## make test, then what needs tools from PyPI, which it installs
	$(VENV)/bin/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 $(VENV)/bin/sam validate --lint --template-file template.yaml
	PATH="$(abspath $(VENV))/bin:$$PATH" scripts/invoke
	@# With the binaries that the tests were run with.
	$(VENV)/bin/python scripts/local-aws --bin target/debug --port 8765 --aws-port 8766 --try tests/data/human/*.mp3 tests/data/ai/*.mp3
	$(VENV)/bin/python scripts/schemathesis --bin target/debug/voxproof
	$(VENV)/bin/python scripts/snippets --bin target/debug/voxproof
	python3 training/test_fetch_sources.py
	python3 training/test_packages.py
	python3 training/test_fold.py
	$(MAKE) test-page

test-long: fuzz constant-time soak ## what takes an hour: every fuzz target, keys against the clock, overload; last output: docs/robustness.md

CHROMIUM ?= $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome))
test-page: ## the page in headless Chromium: uploads, microphone, languages, accessibility
	@if [ -z "$(CHROMIUM)" ] || ! node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' 2>/dev/null \
		|| ! command -v npm >/dev/null || ! command -v ffmpeg >/dev/null; then \
		echo "SKIPPED: tests of the page (chromium, node 20, npm and ffmpeg are needed)"; [ -z "$(REQUIRE_PAGE)" ]; \
	else \
		$(CARGO) build --all-features --bin voxproof && cd tests/page && npm ci --no-fund --no-audit --silent && \
		CHROMIUM="$(CHROMIUM)" npm test; \
	fi

# The last of the requirements to be added: a folder made before it is made complete.
$(VENV)/bin/moto_server $(VENV)/bin/schemathesis &: scripts/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r scripts/requirements.txt
	touch $(VENV)/bin/moto_server $(VENV)/bin/schemathesis

lint: ## formatting, clippy on every feature, licences and sources of the dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) clippy --no-default-features --features server -- -D warnings
	$(CARGO) clippy --no-default-features --features client -- -D warnings
	$(CARGO) clippy --no-default-features --features lambda --bin lambda_api -- -D warnings
	$(CARGO) clippy --no-default-features --features lambda,s3 --bin lambda_uploads -- -D warnings
	$(CARGO) clippy --no-default-features --features scorer --bin lambda_scorer -- -D warnings
	$(CARGO) clippy --no-default-features --features server,lambda,scorer,otel --bins -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --all-features check licenses bans sources; \
	else echo "SKIPPED: cargo deny (cargo install cargo-deny --locked)"; fi

# Seconds for each target: make fuzz TIME=1800 TARGETS=decode
TIME ?= 300
TARGETS ?=
fuzz: ## every fuzz target for TIME seconds (TARGETS: some of them), by cargo-fuzz
	scripts/fuzz $(TIME) $(TARGETS)

fuzz-smoke: ## every fuzz target for 5 seconds
	scripts/fuzz 5 $(TARGETS)

# Of the profile that ships but for LTO: bounds of time and memory mean nothing in a debug build.
SERVER = target/quick/voxproof
.PHONY: $(SERVER)
$(SERVER):
	$(CARGO) build --profile quick --no-default-features --features server --bin voxproof

hostile: $(SERVER) ## bad files, each in a process of its own, against bounds and ffmpeg; TABLE=docs/robustness.md writes it there
	@if command -v ffmpeg >/dev/null; then tests/hostile/check.py --bin $(SERVER) $(if $(TABLE),--table $(TABLE)); \
	else echo "SKIPPED: bad files (ffmpeg makes what they are made of)"; fi

faults: $(SERVER) ## slow, broken and too many clients, no disk, no descriptors, no Redis: the real server stands
	tests/load/faults.py --bin $(SERVER)

MINUTES ?= 20
soak: $(SERVER) ## twice as many callers as there is room for, for MINUTES
	tests/load/soak.py --bin $(SERVER) --minutes $(MINUTES)

constant-time: ## whether the time of a refusal tells how much of a key was right
	$(CARGO) test --profile quick --no-default-features --features server --lib -- --ignored --nocapture cannot_be_timed

# What lists the crates inside a binary, and inside a document; from crates.io where they are missing.
crate-tools:
	@for tool in cargo-auditable cargo-cyclonedx; do command -v $$tool >/dev/null || $(CARGO) install --quiet --locked $$tool; done

sbom: crate-tools ## the crates inside the server, as CycloneDX, into target/sbom
	scripts/sbom

reproducible: ## the server built twice in different folders, and compared
	scripts/reproducible

pgo: ## the server built by a profile of itself, into target/pgo: some per cent faster, in three times the build time
	scripts/pgo

advisories: ## known vulnerabilities of dependencies; needs the network
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then echo "SKIPPED: advisories (cargo install cargo-deny --locked)"; \
	elif $(CARGO) deny fetch db 2>/dev/null; then $(CARGO) deny --all-features check advisories; \
	else echo "SKIPPED: advisories (the database cannot be fetched here)"; fi

bench: ## benchmarks of every stage, and the tables and pictures of docs/performance.md
	@# Benches alone: the harness of every binary would be linked too.
	$(CARGO) bench --bench '*'
	benches/page

bench-smoke: ## every benchmark for a moment, and voxproof beside the stack that it replaces: that they run, never how fast
	$(CARGO) test --all-features --bench '*'
	$(CARGO) build --all-features --bin voxproof
	benches/compare --smoke --bin target/debug/voxproof

# A folder with the clips of training/public_sources.csv, and one with those of the packages: training/README.md.
CLIPS ?= clips
PACKAGES ?= packages
VOXPROOF_QUICK = $(CARGO) run --profile quick --bin voxproof --
PUBLIC = --manifest training/public_sources.csv --clips $(CLIPS) --hold-out training/held_out.csv
DROP = --drop training/dropped.csv
BOTH = $(PUBLIC) --manifest $(PACKAGES)/manifest.csv $(DROP)
COPIES = --copies 2 --channel harsh
KERNEL = --features artefact --model kernel --landmarks 1000 $(COPIES)
APART = --through study --disjoint-speakers
# Steps of the embedding that ships and of those of the folds; the time-delay network has the same everywhere.
STEPS = 4000
FOLD_STEPS = 2800
TDNN_STEPS = 1400
# What embedding, time-delay network and kernel machine weigh: models/MODEL_CARD.md says where it comes from.
WEIGHTS = 0.7,0.3,1
# Google's speech embedding (Apache-2.0), from which the first network starts.
EMBEDDING = .venv-network/openwakeword/resources/models
# Memory kept, not given back after each step: a step takes two thirds of the time.
TRAINER = MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=34359738368 MALLOC_TOP_PAD_=268435456 \
	.venv-network/bin/python training/network/train.py
# float32 is the faster one on some processors with AVX-512 and without AMX: training/README.md.
PRECISION = bfloat16
TRAINED = --pretrained $(EMBEDDING) --threads 2 --precision $(PRECISION)
TDNN = --tdnn --threads 2 --precision $(PRECISION) --steps $(TDNN_STEPS)
FUSE = $(COPIES) $(APART) --weights $(WEIGHTS)
SCORES_IN = --scores $(1)/embedding.csv --scores $(1)/tdnn.csv --scores $(1)/kernel.csv
FUSED = $(FUSE) $(call SCORES_IN,target/folds)
# The parts of a folder as they are weighed, into a model of the name $(2) in the folder $(3).
PACK = $(VOXPROOF_QUICK) pack-network $(1)/embedding.json $(1)/tdnn.json --features $(1)/kernel.bin \
	--training $(1)/kernel.training.json --fusion models/fusion.json --name $(2) --out $(3)
SPECTROGRAMS = target/default/corpus.json target/default/corpus.bin
# Features of all clips and copies, by the names of their files: made once, by the folds of the kernel machine.
FEATURE_TABLE = target/default/features.jsonl
FROM_TABLE = --feature-table $(FEATURE_TABLE)

# With what `evaluate` left in models/fusion.json: on new data `make evaluate train`, in this order.
train: target/default/embedding.json target/default/tdnn.json $(FEATURE_TABLE) ## train the embedded models on CLIPS and PACKAGES into models/
	$(VOXPROOF_QUICK) train $(BOTH) $(KERNEL) $(FROM_TABLE) --name kernel --out target/default
	$(call PACK,target/default,default,models) --model-card models/MODEL_CARD.md
	@# Before dropped.csv was made: without it, classic keeps its bytes.
	$(VOXPROOF_QUICK) train $(PUBLIC) --features classic --model random-forest --name classic --out models \
		--model-card models/MODEL_CARD_CLASSIC.md

# `voxproof train --model network` trains one from random weights without Python.
target/default/embedding.json: $(EMBEDDING) target/default/corpus.json
	$(TRAINER) fit $(TRAINED) --corpus $(SPECTROGRAMS) --steps $(STEPS) --out $@

target/default/tdnn.json: .venv-network target/default/corpus.json
	$(TRAINER) fit $(TDNN) --corpus $(SPECTROGRAMS) --out $@

# With the folds of `evaluate` in it, which `fit` takes no heed of.
target/default/corpus.json:
	mkdir -p target/default
	$(VOXPROOF_QUICK) corpus export $(BOTH) $(COPIES) $(APART) --protocol grouped \
		--save-spectrograms target/default/corpus.bin --out $@

.venv-network:
	python3 -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check -r training/network/requirements.txt

$(EMBEDDING): | .venv-network
	.venv-network/bin/pip download --quiet --disable-pip-version-check --no-deps --dest .venv-network -r training/network/embedding.txt
	.venv-network/bin/python -m zipfile -e .venv-network/openwakeword-*.whl .venv-network

evaluate: target/folds/embedding.csv target/folds/tdnn.csv target/folds/kernel.csv ## unseen engines and voices: the default model on CLIPS and PACKAGES, into models/ and the card
	$(VOXPROOF_QUICK) fuse $(BOTH) $(FUSED) --control --report models --model-card models/MODEL_CARD.md
	@# The same scores, of the public sources alone: their people read and talk, so that the calibration is theirs.
	$(VOXPROOF_QUICK) fuse $(PUBLIC) $(DROP) $(FUSED) --report target/folds/public
	cp target/folds/public/fusion.json models/fusion.json

target/folds/embedding.csv: $(EMBEDDING) target/default/corpus.json
	mkdir -p target/folds
	$(TRAINER) folds $(TRAINED) --corpus $(SPECTROGRAMS) --steps $(FOLD_STEPS) --scores $@

target/folds/tdnn.csv: .venv-network target/default/corpus.json
	mkdir -p target/folds
	$(TRAINER) folds $(TDNN) --corpus $(SPECTROGRAMS) --scores $@

target/folds/kernel.csv $(FEATURE_TABLE) &:
	mkdir -p target/folds target/default
	$(VOXPROOF_QUICK) evaluate $(BOTH) $(KERNEL) $(APART) --protocol grouped \
		--save-features $(FEATURE_TABLE) --scores target/folds/kernel.csv --report target/folds/kernel

evaluate-attacks: ## what codecs, noise, rooms, speed and pitch do to the kernel machine's errors, into target/attacks
	$(VOXPROOF_QUICK) evaluate $(PUBLIC) $(DROP) $(KERNEL) --disjoint-speakers --protocol grouped --attacks 80 \
		--report target/attacks

# A fold's models, made as what ships is, and the clips that neither has heard.
FOLD = target/fold
FOLD_CLIPS = --manifest $(FOLD)/$(1)-0.csv --clips $(CLIPS) --manifest $(FOLD)/$(1)-1.csv --clips $(PACKAGES)
evaluate-attacks-both: $(EMBEDDING) target/default/corpus.json $(FEATURE_TABLE) ## the same for the parts of the default model together, fitted to one fold, into target/fold
	training/fold.py target/default/corpus.json --manifest training/public_sources.csv --manifest $(PACKAGES)/manifest.csv --out $(FOLD)
	$(TRAINER) fit $(TRAINED) --corpus $(FOLD)/train.json target/default/corpus.bin --steps $(FOLD_STEPS) --out $(FOLD)/embedding.json
	$(TRAINER) fit $(TDNN) --corpus $(FOLD)/train.json target/default/corpus.bin --out $(FOLD)/tdnn.json
	$(VOXPROOF_QUICK) train $(call FOLD_CLIPS,train) --hold-out training/held_out.csv $(KERNEL) $(FROM_TABLE) --name kernel --out $(FOLD)
	$(call PACK,$(FOLD),fold,$(FOLD))
	$(VOXPROOF_QUICK) evaluate $(call FOLD_CLIPS,test) --model-dir $(FOLD) --name fold --attacks 200 --report $(FOLD)/both
	$(VOXPROOF_QUICK) evaluate --manifest $(FOLD)/test-0.csv --clips $(CLIPS) --model-dir $(FOLD) --name fold --attacks 300 \
		--report $(FOLD)/public

evaluate-kernel: $(FEATURE_TABLE) ## the strict protocols, for the default model's kernel machine alone, into target/strict
	$(VOXPROOF_QUICK) evaluate $(BOTH) $(KERNEL) $(APART) $(FROM_TABLE) --control \
		--protocol leave-family-source-out --protocol leave-corpus-out --report target/strict

evaluate-corpora: $(EMBEDDING) target/default/corpus.json $(FEATURE_TABLE) ## whole speech corpora left out, a sixth of them at a time: all parts of the default model, into target/corpora
	mkdir -p target/corpora
	$(VOXPROOF_QUICK) corpus export $(BOTH) $(COPIES) $(APART) --protocol grouped-corpora \
		--spectrograms target/default/corpus.bin --out target/corpora/corpus.json
	$(TRAINER) folds $(TRAINED) --corpus target/corpora/corpus.json target/default/corpus.bin --steps $(FOLD_STEPS) \
		--scores target/corpora/embedding.csv
	$(TRAINER) folds $(TDNN) --corpus target/corpora/corpus.json target/default/corpus.bin --scores target/corpora/tdnn.csv
	$(VOXPROOF_QUICK) evaluate $(BOTH) $(KERNEL) $(APART) $(FROM_TABLE) --protocol grouped-corpora \
		--scores target/corpora/kernel.csv --report target/corpora/kernel
	$(VOXPROOF_QUICK) fuse $(BOTH) $(FUSE) $(call SCORES_IN,target/corpora) --control --report target/corpora

evaluate-supply: $(EMBEDDING) target/default/corpus.json $(FEATURE_TABLE) ## the default model's parts fitted to the public sources of CLIPS, judged on PACKAGES, into target/supply
	mkdir -p target/supply
	$(VOXPROOF_QUICK) corpus export $(PUBLIC) $(DROP) $(COPIES) --spectrograms target/default/corpus.bin --out target/supply/corpus.json
	$(TRAINER) fit $(TRAINED) --corpus target/supply/corpus.json target/default/corpus.bin --steps $(FOLD_STEPS) --out target/supply/embedding.json
	$(TRAINER) fit $(TDNN) --corpus target/supply/corpus.json target/default/corpus.bin --out target/supply/tdnn.json
	$(VOXPROOF_QUICK) train $(PUBLIC) $(DROP) $(KERNEL) $(FROM_TABLE) --name kernel --out target/supply
	$(call PACK,target/supply,supply,target/supply)
	$(VOXPROOF_QUICK) evaluate --manifest $(PACKAGES)/manifest.csv $(DROP) --model-dir target/supply --name supply --report target/supply/report

evaluate-licences: $(FEATURE_TABLE) ## the kernel machine fitted to clips under an open or share-alike licence alone, tested on all, into target/licences
	$(VOXPROOF_QUICK) evaluate $(BOTH) $(KERNEL) $(APART) $(FROM_TABLE) --protocol grouped \
		--train-licences open,share-alike --report target/licences

check-corpus: ## list clips of CLIPS that had better be dropped, as training/dropped.csv does
	$(VOXPROOF_QUICK) corpus check --manifest training/public_sources.csv --clips $(CLIPS)

invoke: $(VENV)/bin/moto_server ## start the function under cargo lambda and invoke it with every event
	PATH="$(abspath $(VENV))/bin:$$PATH" scripts/invoke

release: crate-tools $(VENV)/bin/cargo-zigbuild ## archives, Lambda zips, checksums, crates inside and changelog into target/dist; TARGET=... for another machine
	PATH="$(abspath $(VENV))/bin:$$PATH" scripts/release $(TARGET)

package: $(VENV)/bin/cargo-zigbuild ## the Lambda functions as zip files for ARCH (arm64 or x86_64), by cargo lambda and zig, into target/lambda
	PATH="$(abspath $(VENV))/bin:$$PATH" $(LAMBDA_BUILD) --features lambda --bin lambda_api --output-format zip
	PATH="$(abspath $(VENV))/bin:$$PATH" $(LAMBDA_BUILD) --features lambda,s3 --bin lambda_uploads --output-format zip
	PATH="$(abspath $(VENV))/bin:$$PATH" $(LAMBDA_BUILD) --features scorer --bin lambda_scorer --output-format zip

package-crate: ## what crates.io would get, built once from its own archive
	$(CARGO) package --workspace $(if $(ALLOW_DIRTY),--allow-dirty)

# The binary that `make test` built, unless BIN names another.
BIN ?= target/debug/voxproof
test-deploy: $(VENV)/bin/zizmor ## what each platform asks: its files against its schemas, the process in a container's layout
	@[ -x "$(BIN)" ] || $(CARGO) build --all-features --bin voxproof
	cd tests/deploy && VOXPROOF_BIN="$(abspath $(BIN))" $(abspath $(VENV))/bin/python -m unittest -v

$(VENV)/bin/cargo-zigbuild: scripts/requirements-release.txt
	[ -x $(VENV)/bin/python ] || python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r scripts/requirements-release.txt
	touch $@

$(VENV)/bin/zizmor: scripts/requirements-deploy.txt
	[ -x $(VENV)/bin/python ] || python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r scripts/requirements-deploy.txt
	touch $@

# What `sam build` calls; keep ARCH equal to the template's Architecture parameter.
ARCH ?= arm64
LAMBDA_BUILD = $(CARGO) lambda build --release --no-default-features $(if $(filter arm64,$(ARCH)),--arm64,--x86-64)
build-ApiFunction:
	$(LAMBDA_BUILD) --features lambda --bin lambda_api
	cp target/lambda/lambda_api/bootstrap "$(ARTIFACTS_DIR)"
build-UploadsFunction:
	$(LAMBDA_BUILD) --features lambda,s3 --bin lambda_uploads
	cp target/lambda/lambda_uploads/bootstrap "$(ARTIFACTS_DIR)"
build-ScorerFunction:
	$(LAMBDA_BUILD) --features scorer --bin lambda_scorer
	cp target/lambda/lambda_scorer/bootstrap "$(ARTIFACTS_DIR)"

clean: ## remove what was built
	$(CARGO) clean
	rm -rf $(VENV)
