## make install     PREFIX=/usr/local DESTDIR= as usual; see the head of the Makefile
## make uninstall   takes away exactly what install put there
## make man         refreshes the table of keys in ontapfs.json(5)

# Where mount(8) looks for helpers; a package for Debian 13 says /usr/sbin.
MOUNT_HELPER_DIR ?= /sbin

# Where systemd and bash look beside their own; without a prefix systemd would not.
UNITDIR          ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR    ?= $(PREFIX)/share/bash-completion/completions

# One word per installed file: mode:source:target
INSTALL_FILES  = 755:$(B)/ontapfs:$(BINDIR)/ontapfs \
                 755:$(B)/ontapfs-hold:$(LIBEXECDIR)/ontapfs-hold \
                 755:$(B)/ontapfs-csi:$(BINDIR)/ontapfs-csi \
                 $(if $(SRC_SIM),755:$(B)/ontapsim:$(BINDIR)/ontapsim)
INSTALL_FILES += $(foreach s,$(sort $(wildcard packaging/man/*.[1-8])),644:$(s):$(MANDIR)/man$(subst .,,$(suffix $(s)))/$(notdir $(s)))
INSTALL_FILES += $(foreach s,$(sort $(wildcard LICENSE README.md NEWS.md)),644:$(s):$(DOCDIR)/$(s))
INSTALL_FILES += $(foreach s,$(sort $(wildcard docs/*.md docs/*/*.md)),644:$(s):$(DOCDIR)/$(s))
INSTALL_FILES += $(foreach s,$(sort $(shell find docs/examples -mindepth 2 -type f)),$(if $(shell test -x '$(s)' && echo x),755,644):$(s):$(DOCDIR)/$(s))
INSTALL_FILES += $(foreach s,$(sort $(wildcard packaging/examples/*)),644:$(s):$(DOCDIR)/examples/$(notdir $(s)))
INSTALL_FILES += 644:$(B)/ontapfs@.service:$(UNITDIR)/ontapfs@.service
INSTALL_FILES += 644:packaging/completion/ontapfs.bash:$(COMPLETIONDIR)/ontapfs
INSTALL_FILES += 644:packaging/grafana/ontapfs.json:$(DOCDIR)/examples/grafana-ontapfs.json
# Folders that are ours alone, the innermost first.
INSTALL_DIRS   = $(LIBEXECDIR) $(DOCDIR)/examples $(patsubst docs/%,$(DOCDIR)/docs/%,$(shell find docs/examples -mindepth 1 -depth -type d)) $(patsubst docs/%/,$(DOCDIR)/docs/%,$(wildcard docs/*/)) $(DOCDIR)/docs $(DOCDIR)

$(B)/ontapfs@.service: packaging/systemd/ontapfs@.service.in mk/install.mk
	$(Q)sed 's|@BINDIR@|$(BINDIR)|g' $< >$@

install: all $(B)/ontapfs@.service
	@set -e; for f in $(INSTALL_FILES); do \
	  mode=$${f%%:*}; f=$${f#*:}; install -D -m $$mode "$${f%%:*}" "$(DESTDIR)$${f#*:}"; done
	@install -d "$(DESTDIR)$(MOUNT_HELPER_DIR)"
	@ln -sfn "$(BINDIR)/ontapfs" "$(DESTDIR)$(MOUNT_HELPER_DIR)/mount.ontapfs"
	@echo "installed to $(DESTDIR)$(PREFIX); 'ontapfs' says what to do next"

uninstall:
	@for f in $(INSTALL_FILES); do rm -f "$(DESTDIR)$${f##*:}"; done
	@rm -f "$(DESTDIR)$(MOUNT_HELPER_DIR)/mount.ontapfs"
	@for d in $(INSTALL_DIRS); do rmdir "$(DESTDIR)$$d" 2>/dev/null || :; done

man: $(B)/ontapfs
	@$(B)/ontapfs mount --keys | awk -f packaging/man/keys.awk - packaging/man/ontapfs.json.5 >$(B)/ontapfs.json.5
	@cmp -s $(B)/ontapfs.json.5 packaging/man/ontapfs.json.5 || cp $(B)/ontapfs.json.5 packaging/man/ontapfs.json.5

# Built from a copy of what git knows, or of the files of a release.
## make deb         Debian packages in build-deb: ontapfs, ontapfs-csi, ontapfs-sim (debhelper); DEB_VERSION=
DEB_VERSION ?= $(VERSION)
# Not below build/: what is found there is part of a build.
DEB          = $(abspath $(B)-deb)
DEBIAN_TEST += dpkg-dev debhelper fakeroot lintian systemd bash-completion

deb:
	@rm -rf $(DEB) && mkdir -p $(DEB)/ontapfs
	@{ git ls-files -z --cached --others --exclude-standard 2>/dev/null || \
	   find . -path './build*' -prune -o -type f -print0; } | tar --null -cf - -T - | tar -xf - -C $(DEB)/ontapfs
	@mv $(DEB)/ontapfs/packaging/debian $(DEB)/ontapfs/debian
	@sed -i '1s/([^)]*)/($(DEB_VERSION))/' $(DEB)/ontapfs/debian/changelog
	@cd $(DEB)/ontapfs && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc -nc -j2 >../build.log 2>&1 || \
	  { tail -30 ../build.log; exit 1; }
	@ls -1 $(DEB)/*.deb

## make check-packages  the packages in a Debian of their own: lintian, install, use, upgrade, purge (root)
DEBIAN_TEST += mmdebstrap
check-packages: deb
	@tests/packages/run $(DEB)

## make image       OCI image ontapfs:VERSION in build-image/oci, for Kubernetes: no registry, no container engine (root)
## make check-image  the image is unpacked and its programs run (root)
DEBIAN_TEST += umoci
image: deb
	@packaging/image $(DEB) $(abspath $(B)-image) $(DEB_VERSION)

check-image: image
	@tests/image/run $(abspath $(B)-image) $(DEB_VERSION)

.PHONY: check-image check-packages deb image install uninstall man
