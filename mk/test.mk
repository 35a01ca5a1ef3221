## make check       build, then unit tests and cases on a real mount (root and /dev/fuse)
## make check-all   all that takes long, resumable; suites that others wrote: ONTAPFS_SUITES=DIR (root); ALL_ARGS='--list'
## make check-ganesha  the cases about files with NFS-Ganesha as the server (nfs-ganesha, nfs-ganesha-vfs, xfsprogs)
## make check-clients  Python, Go and other clients from outside against the simulator (root; package registries)
## make check-examples  docs/examples with the real packages (Jupyter, MLflow, ...) on a mount (root; package registry)
## make check-unit  unit tests only: no root, no mount
## make check-vm    on another kernel, in user-mode-linux (root, tun): its NFS client, ontapfs, cases; VM_ARGS=--all
## make check-teeth  do the tests bite? Switches guards off one at a time, in a copy (root); TEETH_ARGS='-k arm'
## make check-cells  does each cell of the operation table in docs/SEMANTICS.md have a test that names it?
## make scale       10,000 volumes with 1,023 snapshots each: time until ready, requests, memory (root)
## make sanitize    check under ASan and UBSan, unit tests again under TSan
## make demo        a guided tour: simulator, mount, snapshots, restore (root); KEEP=1 leaves it up
# RUN_ARGS go to tests/run:  make check RUN_ARGS='-k snapshot/ -j 1'

# What the cases need beside the build; they skip, with the reason, without it.
DEBIAN_TEST += protobuf-compiler python3-grpcio python3-protobuf prometheus
DEBIAN_TEST += git rsync tar diffutils sqlite3 python3-jsonschema python3-hypothesis
# Clients from package registries.
DEBIAN_TEST += python3-venv

SRC_UNIT     := $(wildcard tests/unit/test_*.c)
SRC_UNIT_SIM := $(filter tests/unit/test_sim_%,$(SRC_UNIT))
SRC_UNIT_FS  := $(filter-out $(SRC_UNIT_SIM),$(SRC_UNIT))
unit_bin      = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(1))
UNIT_BIN     := $(call unit_bin,$(SRC_UNIT))
# What tests have beside them: the kernel's side of FUSE, an NFS server.
SRC_UNIT_AID := tests/unit/kernel.c tests/unit/nfsserver.c tests/unit/nfsclient.c

# Parts of the process without a main() and without processes: unit tests use them.
UNIT_MOUNTD  := $(wildcard mountd/config*.c mountd/secret.c mountd/mountopts.c)
UNIT_OBJ     := $(LIB_OBJ) $(call obj,$(UNIT_MOUNTD) mountd/mounts.c mountd/params.c) $(CSI_OBJ)
UNIT_SIM_OBJ := $(call obj,$(filter-out tests/sim/main.c,$(SRC_SIM)) $(SRC_BASE)) $(SIM_XDR_OBJ)
# Archives: a test gets what it uses, and may put a fake in a module's place.
UNIT_LIB     := $(B)/tests/libontapfs.a
UNIT_SIM_LIB := $(B)/tests/libsim.a

$(UNIT_LIB): $(UNIT_OBJ)
$(UNIT_SIM_LIB): $(UNIT_SIM_OBJ)
$(UNIT_LIB) $(UNIT_SIM_LIB):
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsT $@ $^

$(call obj,$(SRC_UNIT_FS) $(SRC_UNIT_AID)):  CPPFLAGS += -DFUSE_USE_VERSION=314 $(call pcflags,cmocka $(PC_DAEMON)) $(CSI_INC)
$(call obj,$(wildcard tests/unit/test_csi*.c)): | $(CSI_GEN)
$(call obj,$(SRC_UNIT_SIM)): CPPFLAGS += -I$(B)/gen/sim $(call pcflags,cmocka $(PC_SIM))
# Every test function is an entry of a table: no prototypes for them.
$(call obj,$(SRC_UNIT) $(SRC_UNIT_AID)): CFLAGS += -Wno-missing-prototypes -Wno-conversion

# A test that calls fake versions of a module's functions names the wrapped
# ones in its first lines:  /* unit-wrap: clock_now_ns read */
unit_wrap = $(addprefix -Wl$(comma)--wrap=,$(shell sed -n '1,20s/.*unit-wrap: *\([a-z0-9_ ]*\).*/\1/p' tests/unit/$(notdir $(1)).c))
comma := ,

$(B)/tests/unit/test_ops $(B)/tests/unit/test_ops_flow: $(call obj,tests/unit/kernel.c)
$(B)/tests/unit/test_nfsio $(B)/tests/unit/test_nfsio_conn: $(call obj,tests/unit/nfsserver.c tests/unit/nfsclient.c)
$(call unit_bin,$(SRC_UNIT_FS)): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(UNIT_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(call unit_wrap,$@) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(call pclibs,cmocka $(PC_DAEMON) $(PC_CSI)) -lpthread

$(call unit_bin,$(SRC_UNIT_SIM)): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(UNIT_SIM_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(call unit_wrap,$@) -o $@ $^ $(call pclibs,cmocka $(PC_SIM)) -lpthread

# Does on purpose what the sanitizers exist to catch: tests/run --san proves
# with it that they are on.
$(B)/tests/san-probe: tests/lib/san_probe.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -O0 -g $(SANFLAGS) -o $@ $< -lpthread

# The daemon that dies at named points: fs/base/killpoint.h. Only what has such
# points is compiled again.
KILL_SRC := $(shell grep -l 'kill_point' fs/*.c fs/nfs/*.c ontap/*.c)
KILL_OBJ := $(patsubst %.c,$(B)/kill/%.o,$(KILL_SRC) tests/lib/kill_point.c)
KILL_BIN := $(B)/kill/ontapfs

$(KILL_OBJ): $(B)/kill/%.o: %.c | $(B)/deps.ok
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -DONTAPFS_KILL_POINTS -DFUSE_USE_VERSION=314 $(call pcflags,$(PC_DAEMON)) $(CFLAGS) -MMD -MP -c -o $@ $<

$(KILL_BIN): $(KILL_OBJ) $(filter-out $(call obj,$(KILL_SRC)),$(call obj,$(SRC_MOUNTD)) $(LIB_OBJ))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pclibs,$(PC_DAEMON)) -lpthread

SAN_PROBE := $(if $(SAN),$(B)/tests/san-probe)
RUN_ARGS  ?=
RUN        = tests/run --build $(B) $(if $(SAN),--san $(SAN)) $(RUN_ARGS)

check: all $(UNIT_BIN) $(KILL_BIN) fuzz-bin $(SAN_PROBE)
	@$(RUN)

check-ganesha: all $(KILL_BIN)
	@$(RUN) --cases --nfs=ganesha

# ALL_ARGS go to tests/all/run:  make check-all ALL_ARGS='-k fio'
ALL_ARGS ?=
check-all: all
	@B=$(B) MAKE='$(MAKE)' tests/all/run $(if $(ONTAPFS_SUITES),'$(ONTAPFS_SUITES)') $(ALL_ARGS)

# CLIENTS are parts of tests/clients:  make check-clients CLIENTS=python
CLIENTS ?=
check-clients: all
	@B=$(B) tests/clients/run $(CLIENTS)

# EXAMPLES are directories of docs/examples:  make check-examples EXAMPLES=mlflow
EXAMPLES ?=
check-examples: all
	@B=$(B) tests/examples/run $(EXAMPLES)

# Some units speak to a simulator of their own.
check-unit: $(UNIT_BIN) fuzz-bin $(B)/ontapsim $(SAN_PROBE)
	@$(RUN) --units

scale: all
	@BUILD='$(abspath $(B))' tests/scale

check-cells:
	@tests/lint/cells.py

# TEETH_ARGS go to tests/teeth/run:  make check-teeth TEETH_ARGS='-k tree-walker'
TEETH_ARGS ?=
check-teeth: $(B)/deps.ok
	@tests/teeth/run --build $(B) $(TEETH_ARGS)

# VM_ARGS go to tests/vm/run:  make check-vm VM_ARGS='--parts nfs -k snapshot'
VM_ARGS ?=
check-vm: all
	@tests/vm/run --build $(B) $(VM_ARGS)

# -O1 keeps the instrumented daemon quick enough for the time limits of cases.
sanitize:
	$(MAKE) B=build-asan SAN=address,undefined OPT='-O1 -g' check
	$(MAKE) B=build-tsan SAN=thread OPT='-O1 -g' check-unit

demo:
	@B=$(B) KEEP=$(KEEP) tests/demo

.PHONY: check check-all check-cells check-clients check-examples check-ganesha check-teeth check-unit check-vm sanitize scale demo
