# ontapfs: build, test and install.  `make help` lists the targets.
#
# Everything is built out of tree in build/.  A new .c file in one of the
# source folders is picked up by itself; libraries come from pkg-config.

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/ontapfs
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/ontapfs
DESTDIR    ?=

CC         ?= cc
B          ?= build
V          ?= 0
DEVELOPER  ?= 0
SAN        ?=
VERSION    := 0.1.0

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-7s %s\n' $(1) $(2))

# ---- dependencies ----------------------------------------------------------
# pkg-config module : Debian package
DEPS_DAEMON := fuse3:libfuse3-dev libnfs:libnfs-dev libcurl:libcurl4-openssl-dev json-c:libjson-c-dev libxxhash:libxxhash-dev \
               smartcols:libsmartcols-dev
DEPS_CSI    := libnghttp2:libnghttp2-dev libprotobuf-c:libprotobuf-c-dev libmicrohttpd:libmicrohttpd-dev
DEPS_SIM    := libmicrohttpd:libmicrohttpd-dev gnutls:libgnutls28-dev jansson:libjansson-dev sqlite3:libsqlite3-dev libbtrfsutil:libbtrfsutil-dev libtirpc:libtirpc-dev
DEPS_TEST   := cmocka:libcmocka-dev
include mk/deps.mk

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Wvla \
        -Wwrite-strings -Wconversion -Wno-sign-conversion -Wpointer-arith -Wcast-qual
# Texts for people may be cut; clang does not know that warning at all.
ifeq (,$(findstring clang,$(CC)))
WARN += -Wno-format-truncation
endif
ifeq ($(DEVELOPER),1)
WARN += -Werror
endif
HARDEN  := -fstack-protector-strong -fstack-clash-protection -fPIE -fcf-protection
ifeq ($(SAN),)
HARDEN  += -D_FORTIFY_SOURCE=2
endif
OPT     ?= -O2 -g
CFLAGS  += -std=gnu11 $(OPT) $(WARN) $(HARDEN) $(SANFLAGS)
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DONTAPFS_VERSION='"$(VERSION)"' \
            -DONTAPFS_LIBEXECDIR='"$(LIBEXECDIR)"'
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS)
ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

PC_DAEMON := fuse3 libnfs libcurl json-c libxxhash smartcols
PC_SIM    := libmicrohttpd gnutls jansson sqlite3 libbtrfsutil libtirpc libxxhash

# ---- sources ---------------------------------------------------------------
SRC_BASE   := $(wildcard fs/base/*.c)
SRC_NFS    := $(wildcard fs/nfs/*.c)
SRC_ONTAP  := $(wildcard ontap/*.c)
SRC_FS     := $(wildcard fs/*.c)
SRC_MOUNTD := $(filter-out mountd/hold%.c,$(wildcard mountd/*.c))
SRC_HOLD   := $(wildcard mountd/hold*.c)
SRC_SIM    := $(wildcard tests/sim/*.c) $(wildcard tests/sim/rest/*.c) $(wildcard tests/sim/nfs/*.c) \
              $(wildcard tests/sim/ganesha/*.c)
SRC_PROXY  := $(wildcard tests/proxy/*.c)
SRC_BENCH  := $(wildcard tests/bench/*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
LIB_OBJ    := $(call obj,$(SRC_BASE) $(SRC_NFS) $(SRC_ONTAP) $(SRC_FS))

PROGRAMS   := $(if $(SRC_MOUNTD),$(B)/ontapfs) $(if $(SRC_HOLD),$(B)/ontapfs-hold) $(B)/ontapfs-csi $(if $(SRC_SIM),$(B)/ontapsim) $(B)/nfsproxy

.DEFAULT_GOAL := all
all: $(PROGRAMS)

# Each folder gets the include paths of the libraries it is the home of.
pcflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pclibs  = $(shell pkg-config --libs $(1) 2>/dev/null)
$(B)/fs/base/%.o:    CPPFLAGS += $(call pcflags,libxxhash)
$(B)/fs/nfs/%.o:     CPPFLAGS += $(call pcflags,libnfs libxxhash)
$(B)/ontap/%.o:      CPPFLAGS += $(call pcflags,libcurl json-c)
$(call obj,$(SRC_FS)): CPPFLAGS += -DFUSE_USE_VERSION=314 $(call pcflags,fuse3 libxxhash)
$(call obj,$(SRC_SIM)): CPPFLAGS += $(call pcflags,$(PC_SIM))
$(call obj,$(SRC_BENCH)): CPPFLAGS += -DFUSE_USE_VERSION=314 $(call pcflags,fuse3 libnfs)

$(B)/ontapfs: $(call obj,$(SRC_MOUNTD)) $(LIB_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pclibs,$(PC_DAEMON)) -lpthread

$(B)/ontapfs-hold: $(call obj,$(SRC_HOLD))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^

$(B)/%.o: %.c | $(B)/deps.ok
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

include mk/sim.mk
include mk/csi.mk
include mk/test.mk
include mk/fuzz.mk
include mk/bench.mk
include mk/lint.mk
include mk/install.mk

# Not the virtual environments of the examples: they have folders of such names.
-include $(shell find $(B) -path '$(B)/examples' -prune -o -type f -name '*.d' -print 2>/dev/null)

clean:
	rm -rf $(B)

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

.PHONY: all clean help
