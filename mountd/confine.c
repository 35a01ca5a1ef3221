/* Capabilities by libcap-ng, system calls by libseccomp; see the header.
 *
 * The list of system calls names what is refused, not what is allowed: which calls
 * libc, the resolver's modules and TLS make differs from release to release, and a
 * file system that fails on another libc is worse than a call too many. Refused is
 * what would lead out of the process: programs, mounts, name spaces, other
 * processes' memory, the kernel itself, and kinds of sockets that nothing here speaks. */
#include "mountd/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"

static const unsigned kept[] = {CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};

static void drop_capabilities(void)
{
	bool have[ARRAY_LEN(kept)];
	if (capng_get_caps_process() < 0) {
		log_warn("cannot read the capabilities of this process: it keeps what it has");
		return;
	}
	/* A unit's or container's bounding set may have left less. */
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, kept[i]);
	/* Without CAP_SETPCAP the bounding set stays; with no new privileges and
	 * without execve it gives nothing any more. */
	int r = capng_apply(bounds ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS);
	if (r < 0)
		log_warn("cannot drop capabilities (step %d): this process keeps some that it does not need", -r);
}

/* A sanitizer's own machinery starts programs and traces threads. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Not capset: the notifier gives up the rest by it. */
static const char *const refused[] = {
	/* programs; other processes */
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
	"pidfd_getfd", "kcmp",
	/* mounts, roots, name spaces */
	"mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig",
	"fsmount", "fspick", "mount_setattr", "setns", "unshare", "open_by_handle_at", "mknod", "mknodat",
	/* who we are */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
	"setfsgid",
	/* the kernel and the machine */
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon",
	"swapoff", "acct", "quotactl", "quotactl_fd", "bpf", "perf_event_open", "userfaultfd",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl",
	"iopl", "ioperm", "syslog", "sethostname", "setdomainname", "settimeofday", "clock_settime",
	"clock_adjtime", "adjtimex", "personality", "vhangup", "fanotify_init",
};

/* What CAP_NET_ADMIN would allow beside a receive buffer: routes, addresses, packet
 * filters (their options of the IP levels begin at 64). 0 or -errno. */
static int refuse_network_setup(scmp_filter_ctx ctx)
{
	static const unsigned ioctls[] = {SIOCADDRT,    SIOCDELRT,   SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFDSTADDR,
					  SIOCSIFBRDADDR, SIOCSIFNETMASK, SIOCSIFMETRIC, SIOCSIFMTU, SIOCSIFNAME,
					  SIOCSIFHWADDR, SIOCDARP,    SIOCSARP,     SIOCETHTOOL, SIOCBRADDBR, SIOCBRADDIF};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(ioctls); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, ioctls[i]));
	for (int i = 0; r == 0 && i < 2; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, i ? IPPROTO_IPV6 : IPPROTO_IP),
				     SCMP_A2(SCMP_CMP_GE, 64));
	return r;
}

/* 0 or -errno. */
static int refuse_calls(void)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(refused); i++) {
		int nr = seccomp_syscall_resolve_name(refused[i]);
		if (nr == __NR_SCMP_ERROR) /* libseccomp is older than the call */
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
		if (r == -EDOM || r == -EACCES) /* this architecture has no such call */
			r = 0;
	}
	/* All families but those: each one between, and whatever is beyond the last. */
	int at = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(families); i++) {
		for (; r == 0 && at < families[i]; at++)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
					     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)at));
		at = families[i] + 1;
	}
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_GE, (scmp_datum_t)at));
	if (r == 0)
		r = refuse_network_setup(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

void confine_daemon(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warn("cannot give up new privileges: %s", strerror(errno));
	drop_capabilities();
	if (SANITIZED)
		return;
	int r = refuse_calls();
	if (r < 0)
		log_warn("this kernel takes no filter of system calls: %s", strerror(-r));
}
