# SPDX-License-Identifier: MIT
# Short names for what Meson and the scripts do. `make help` lists them.
PREFIX ?= /usr/local
BUILD ?= build
BUILD_ASAN ?= $(BUILD)-asan
BUILD_FUZZ ?= $(BUILD)-fuzz
JOBS ?= $(shell nproc)
MESON ?= meson
# What make itself was told must not reach the builds of test targets.
unexport MAKEFLAGS MAKELEVEL

all: build

help:
	@echo 'make               build into $(BUILD)/'
	@echo 'make demo          two tracers on one program, cotrace ps beside them; gdb and strace on one'
	@echo 'make test          unit, kernel, system tests and lint (T="name ..." for some)'
	@echo 'make install       PREFIX=$(PREFIX), DESTDIR as usual'
	@echo 'make bench         cotrace beside its peers, in ratios'
	@echo 'make fuzz          libFuzzer on instructions, decoder, engine, expressions (FUZZ_RUNS=n)'
	@echo 'make campaign      the long tests: 1,000 rounds each'
	@echo 'make lint          the lints alone; make tidy: clang-tidy; make format: clang-format -i'
	@echo 'make check-asan    tests under AddressSanitizer and UBSan, in $(BUILD_ASAN)/'
	@echo 'make bootstrap     install or name missing packages'

bootstrap:
	@tools/bootstrap

$(BUILD)/build.ninja: | bootstrap
	@$(MESON) setup --prefix '$(PREFIX)' $(BUILD)

$(BUILD_ASAN)/build.ninja: | bootstrap
	$(MESON) setup -Db_sanitize=address,undefined -Db_lundef=false $(BUILD_ASAN)

$(BUILD_FUZZ)/build.ninja: | bootstrap
	CC=clang $(MESON) setup -Dfuzz=true -Dtests=false -Db_lundef=false \
		-Db_sanitize=address,undefined -Dc_args=-fsanitize=fuzzer-no-link $(BUILD_FUZZ)

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j $(JOBS)

demo: build
	@tools/demo $(BUILD)

test: build
	@test/run --build $(BUILD) $(T)

lint: build
	@test/run --build $(BUILD) --suite lint

tidy: build
	@tools/tidy $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

check-asan: $(BUILD_ASAN)/build.ninja
	@ninja -C $(BUILD_ASAN) -j $(JOBS)
	@test/run --build $(BUILD_ASAN) --suite unit --suite kernel --suite system $(T)

campaign: build
	@test/run --build $(BUILD) --campaign $(T)

bench: build
	@bench/run $(BUILD)

fuzz: $(BUILD_FUZZ)/build.ninja
	@ninja -C $(BUILD_FUZZ) -j $(JOBS) test/fuzz/fuzz-code test/fuzz/fuzz-decoder test/fuzz/fuzz-engine test/fuzz/fuzz-agent
	@test/fuzz/run $(BUILD_FUZZ)

install: build
	@$(MESON) configure $(BUILD) --prefix '$(PREFIX)'
	@ninja -C $(BUILD) -j $(JOBS)
	@dir='$(DESTDIR)$(PREFIX)'; while [ ! -e "$$dir" ]; do dir=$$(dirname "$$dir"); done; [ -w "$$dir" ] || \
		{ echo "make install: $$dir cannot be written: run this as root, or set PREFIX or DESTDIR" >&2; exit 1; }
	@$(MESON) install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir '$(DESTDIR)')
	@[ -n '$(DESTDIR)' ] || [ "$$(id -u)" -ne 0 ] || PATH="$$PATH:/sbin:/usr/sbin" ldconfig

clean:
	rm -rf $(BUILD) $(BUILD_ASAN) $(BUILD_FUZZ)

.PHONY: all help bootstrap build demo test lint tidy format check-asan campaign bench fuzz install clean
