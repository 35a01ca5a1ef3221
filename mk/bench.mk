## make bench       measures against the limits of this machine (root); QUICK=1 in some minutes; PEER=DIR adds a peer
# Each .c in tests/bench is a program of its own.
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(SRC_BENCH))

$(BENCH_BIN): $(B)/tests/bench/%: $(B)/tests/bench/%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pclibs,fuse3 libnfs) -lpthread

bench: all $(BENCH_BIN)
	@tests/bench/bench.py --build $(B) $(if $(filter 1,$(QUICK)),--quick) $(if $(PEER),--peer '$(PEER)') $(BENCH_ARGS)

.PHONY: bench
