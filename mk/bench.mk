## make bench       measures against the limits of this machine (root); QUICK=1 in some minutes; PEER=DIR adds a peer
# Each .c in tests/bench is a program of its own.
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(SRC_BENCH))

$(BENCH_BIN): $(B)/tests/bench/%: $(B)/tests/bench/%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pclibs,fuse3 libnfs libxxhash) -lpthread

# The daemon's own table of inodes; by hand: build/tests/bench/inodes 5000000
$(B)/tests/bench/inodes: $(B)/fs/node.o $(B)/fs/state.o $(B)/fs/base/clock.o $(B)/fs/base/log.o $(B)/fs/base/uuid.o

bench: all $(BENCH_BIN)
	@tests/bench/bench.py --build $(B) $(if $(filter 1,$(QUICK)),--quick) $(if $(PEER),--peer '$(PEER)') $(BENCH_ARGS)

.PHONY: bench
