## make fuzz        libFuzzer on every parser of untrusted bytes (clang); FUZZ_SECONDS=60 for all together, FUZZ='json guard'
# One harness a file; what it ran into is kept in tests/fuzz/corpus/NAME, which
# `make check` replays with the compiler at hand.
DEBIAN_TEST += clang llvm

SRC_FUZZ  := $(filter-out tests/fuzz/aid.c tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
FUZZ_BIN  := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(SRC_FUZZ))
FUZZ_ALL  := $(notdir $(basename $(SRC_FUZZ)))
# libFuzzer brings its own main().
FUZZ_LINK := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
FUZZ_OBJ  := $(call obj,tests/fuzz/aid.c $(if $(FUZZ_LINK),,tests/fuzz/replay.c))

$(call obj,$(SRC_FUZZ) tests/fuzz/aid.c tests/fuzz/replay.c): CPPFLAGS += -DFUSE_USE_VERSION=314 $(call pcflags,$(PC_DAEMON)) $(CSI_INC)

$(B)/tests/fuzz/grpc.o: | $(CSI_GEN)

$(FUZZ_BIN): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(FUZZ_OBJ) $(UNIT_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(FUZZ_LINK) -o $@ $^ $(call pclibs,$(PC_DAEMON) $(PC_CSI)) -lpthread

FUZZ_SECONDS ?= 60
FUZZ         ?= $(FUZZ_ALL)
fuzz:
	@$(MAKE) B=build-fuzz CC=clang SAN=fuzzer-no-link,address,undefined OPT='-O1 -g' fuzz-bin
	@tests/fuzz/run build-fuzz $(FUZZ_SECONDS) $(FUZZ)

fuzz-bin: $(FUZZ_BIN)

.PHONY: fuzz fuzz-bin
