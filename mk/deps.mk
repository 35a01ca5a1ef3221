## make deps        install every Debian package that building and testing need
# One line per missing library, with the Debian package that brings it.

DEBIAN_BUILD := gcc make pkg-config libc6-dev rpcsvc-proto protobuf-c-compiler btrfs-progs fuse3 uthash-dev
DEBIAN_TEST  := attr acl jq curl strace fio python3 xfsprogs procps util-linux kmod mandoc
DEBIAN_LINT  := clang clang-tidy cppcheck shellcheck
DEBIAN_LIBS  := $(foreach d,$(DEPS_DAEMON) $(DEPS_CSI) $(DEPS_SIM) $(DEPS_TEST),$(lastword $(subst :, ,$(d))))

$(B)/deps.ok: mk/deps.mk
	@mkdir -p $(B)
	@missing=0; for d in $(DEPS_DAEMON) $(DEPS_CSI) $(DEPS_SIM); do m=$${d%%:*}; p=$${d#*:}; \
	  pkg-config --exists "$$m" || { echo "missing: library $$m (Debian package $$p); 'make deps' installs it" >&2; missing=1; }; done; \
	  command -v rpcgen >/dev/null || { echo "missing: rpcgen (Debian package rpcsvc-proto); 'make deps' installs it" >&2; missing=1; }; \
	  echo '#include <uthash.h>' | $(CC) -E -x c -o /dev/null - 2>/dev/null || \
	    { echo "missing: header uthash.h (Debian package uthash-dev); 'make deps' installs it" >&2; missing=1; }; \
	  command -v protoc-c >/dev/null || { echo "missing: protoc-c (Debian package protobuf-c-compiler); 'make deps' installs it" >&2; missing=1; }; \
	  [ $$missing = 0 ] && touch $@

deps:
	@apt-get install -y --no-install-recommends $(DEBIAN_BUILD) $(DEBIAN_LIBS) $(DEBIAN_TEST) $(DEBIAN_LINT)

.PHONY: deps
