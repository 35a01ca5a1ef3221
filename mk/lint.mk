## make lint        layers, headers alone, clang-tidy, cppcheck, shellcheck, banned calls, gcc and clang with -Werror
# LINT_ARGS go to tests/lint/run:  make lint LINT_ARGS='-k tidy'
LINT_ARGS ?=
LINT_INC  := -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314

# Generated headers are part of what is checked; both compilers build all
# programs and tests apart from build/, so that a lint never disturbs it.
lint: $(SIM_GEN) $(CSI_GEN)
	@LINT_FLAGS='$(LINT_INC) $(call pcflags,cmocka $(PC_DAEMON)) $(CSI_INC)' \
	 LINT_FLAGS_SIM='$(LINT_INC) -I$(B)/gen -I$(B)/gen/sim $(call pcflags,cmocka $(PC_SIM))' \
	 LINT_BUILD='$(B)/lint' MAKE='$(MAKE)' tests/lint/run $(LINT_ARGS)

# What the two -Werror builds of lint make: everything that has a compiler line.
lint-build: all $(UNIT_BIN) $(BENCH_BIN)

.PHONY: lint lint-build
