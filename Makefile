# make demo   installs what is missing, builds, and fine-tunes the bundled model
# make test   installs what is missing and runs all tests
# make bench  builds, measures speed and memory beside PyTorch, and writes docs/performance.md

SWIFT_BUILD = swift build -c release --static-swift-stdlib --product sparseft
SPARSEFT = .build/release/sparseft
C_FILES = $(shell git ls-files --cached --others --exclude-standard \
            'Sources/**/*.c' 'Sources/**/*.h' 'Sources/**/*.inc' 'Sources/**/*.cpp' \
            'Tests/**/*.c')

.PHONY: demo build test faults fuzz sanitize check-tensorboard check-targets check-schema check-harness \
  federation install bench format format-check packages clean

demo: build
	@$(SPARSEFT) finetune recipes/quickstart.json

build: packages
	$(SWIFT_BUILD)

test: packages
	swift test

# Every call by which a run writes its files fails, or is its last, and every way to a request for
# memory is refused; the tests try a sample of them.
faults: packages
	SPARSEFT_ALL_FAULTS=1 swift test --filter FaultTests

# Feeds made-up files to every reader, FUZZ_SECONDS each, and keeps what reaches new places.
FUZZ_SECONDS = 60
fuzz: packages
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Tests/Fuzz/run

# The tests with the address and undefined-behaviour sanitizers, and with the thread sanitizer.
SANITIZERS = address,undefined thread
sanitize: packages
	@Tests/sanitize $(SANITIZERS)

# TensorBoard, installed to .build/tensorboard, reads what run.tensorboard writes.
check-tensorboard: build
	@Tests/TensorBoard/check

# What `sparseft compile` writes, built for other machines and run in emulators (Debian: the packages
# gcc-aarch64-linux-gnu, gcc-arm-linux-gnueabihf, gcc-riscv64-linux-gnu, each with its libc6-dev-…-cross,
# musl-tools, wasi-libc, libclang-rt-14-dev-wasm32 and qemu-user).
TARGETS = host sanitized musl aarch64 armhf riscv64 rvv128 rvv512 wasm32
check-targets: build
	@Tests/Targets/check $(TARGETS)

# jsonschema, installed to .build/jsonschema, agrees with sparseft on right and wrong recipes.
check-schema: build
	@Tests/Schema/check

# lm-evaluation-harness, installed to .build/lm-eval, has the same figures as eval of tasks.
# CHECKPOINT is what both score.
CHECKPOINT = checkpoints/smollm2.sfckpt
check-harness: build
	@Tests/Harness/check $(CHECKPOINT)

# Three clients and a server on loopback, with TLS, on Flower, which is installed to .build/federation.
# SPARSEFT=FILE on the command line names a program, and none is built.
federation: $(if $(filter command,$(origin SPARSEFT)),,build)
	@SPARSEFT=$(SPARSEFT) integrations/flower/run

# The binary, its man page, completions, recipes, chat templates and the C sources of `compile`.
PREFIX = /usr/local
install: build
	install -Dm755 $(SPARSEFT) $(DESTDIR)$(PREFIX)/bin/sparseft
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/sparseft/recipes/templates \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	integrations/man-page $(SPARSEFT) > $(DESTDIR)$(PREFIX)/share/man/man1/sparseft.1
	$(SPARSEFT) completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sparseft
	$(SPARSEFT) completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sparseft
	$(SPARSEFT) completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sparseft.fish
	install -m644 recipes/*.json $(DESTDIR)$(PREFIX)/share/sparseft/recipes
	install -m644 recipes/templates/*.json $(DESTDIR)$(PREFIX)/share/sparseft/recipes/templates
	cd Sources && find CKernels CRuntime -name '*.[ch]' -o -name '*.inc' -o -name '*.def' | \
	  while read -r file; do install -Dm644 $$file $(DESTDIR)$(PREFIX)/share/sparseft/runtime/$$file; done

bench: build
	python3 docs/performance.py

packages:
	@.ci/install-packages

format: packages
	swift format --in-place --recursive --parallel Package.swift Sources Tests
	clang-format -i $(C_FILES)

format-check:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
	clang-format --dry-run -Werror $(C_FILES)

clean:
	swift package clean
	rm -rf runs
