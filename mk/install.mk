## make install     PREFIX=/usr/local DESTDIR= as usual; see the head of the Makefile
## make uninstall   takes away exactly what install put there
## make man         refreshes the table of keys in ontapfs.json(5)

# Where mount(8) looks for helpers; a package for Debian 13 says /usr/sbin.
MOUNT_HELPER_DIR ?= /sbin

# One word per installed file: mode:source:target
INSTALL_FILES  = 755:$(B)/ontapfs:$(BINDIR)/ontapfs \
                 755:$(B)/ontapfs-hold:$(LIBEXECDIR)/ontapfs-hold \
                 755:$(B)/ontapfs-csi:$(BINDIR)/ontapfs-csi \
                 $(if $(SRC_SIM),755:$(B)/ontapsim:$(BINDIR)/ontapsim)
INSTALL_FILES += $(foreach s,$(sort $(wildcard packaging/man/*.[1-8])),644:$(s):$(MANDIR)/man$(subst .,,$(suffix $(s)))/$(notdir $(s)))
INSTALL_FILES += $(foreach s,$(sort $(wildcard LICENSE README.md NEWS.md)),644:$(s):$(DOCDIR)/$(s))
INSTALL_FILES += $(foreach s,$(sort $(wildcard docs/*.md docs/*/*.md)),644:$(s):$(DOCDIR)/$(s))
INSTALL_FILES += $(foreach s,$(sort $(wildcard packaging/examples/*)),644:$(s):$(DOCDIR)/examples/$(notdir $(s)))
# Folders that are ours alone, the innermost first.
INSTALL_DIRS   = $(LIBEXECDIR) $(DOCDIR)/examples $(patsubst docs/%/,$(DOCDIR)/docs/%,$(wildcard docs/*/)) $(DOCDIR)/docs $(DOCDIR)

install: all
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

.PHONY: install uninstall man
