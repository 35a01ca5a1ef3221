/* What a confined process may do no more: each attempt in a process of its own. */
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "mountd/confine.h"

static long do_exec(void)
{
	char *argv[] = {(char *)(uintptr_t) "/bin/true", NULL};
	return execv(argv[0], argv);
}

static long do_mount(void)
{
	return mount("none", "/proc/self/fd", "tmpfs", 0, NULL);
}

static long do_unshare(void)
{
	return unshare(CLONE_NEWNS);
}

static long do_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long do_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long do_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

/* A packet filter's option (IPT_SO_SET_REPLACE), and an interface's flags. */
static long do_filter(void)
{
	return setsockopt(socket(AF_INET, SOCK_STREAM, 0), IPPROTO_IP, 64, "", 0);
}

static long do_interface(void)
{
	struct ifreq none = {0};
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &none);
}

static long do_room(void)
{
	int want = 4 << 20;
	return setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want));
}

static long do_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long do_setuid(void)
{
	return setuid(getuid());
}

static long do_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long do_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long do_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long do_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* Only those that a daemon needs are left, in its bounding set, too. */
static long do_capabilities(void)
{
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1 && c != CAP_NET_BIND_SERVICE && c != CAP_NET_ADMIN &&
		    c != CAP_SYS_PTRACE && c != CAP_DAC_READ_SEARCH)
			return -1;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];
	if (syscall(SYS_capget, &head, d) < 0)
		return -1;
	uint32_t may = 1u << CAP_NET_BIND_SERVICE | 1u << CAP_NET_ADMIN | 1u << CAP_SYS_PTRACE |
		       1u << CAP_DAC_READ_SEARCH;
	return (d[0].permitted & ~may) || (d[0].effective & ~may) || d[0].inheritable || d[1].permitted ? -1 : 0;
}

/* The errno that the call has in a confined process; 0 when it succeeds. */
static int confined(long (*call)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		confine_daemon();
		errno = 0;
		_exit(call() < 0 ? (errno ? errno : 255) : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status)); /* a refused call kills nobody */
	return WEXITSTATUS(status);
}

static void test_what_leads_out_is_refused(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* no filter then: a sanitizer starts programs by itself */
#endif
	assert_int_equal(confined(do_exec), EPERM);
	assert_int_equal(confined(do_mount), EPERM);
	assert_int_equal(confined(do_unshare), EPERM);
	assert_int_equal(confined(do_ptrace), EPERM);
	assert_int_equal(confined(do_packet), EPERM);
	assert_int_equal(confined(do_vsock), EPERM);
	assert_int_equal(confined(do_netlink), EPERM);
	assert_int_equal(confined(do_filter), EPERM);
	assert_int_equal(confined(do_interface), EPERM);
	assert_int_equal(confined(do_setuid), EPERM);
	assert_int_equal(confined(do_bpf), EPERM);
}

static void test_what_a_daemon_does_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(confined(do_inet), 0);
	assert_int_equal(confined(do_unix), 0);
	assert_int_equal(confined(do_fork), 0);
}

static void test_few_capabilities_are_left(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(confined(do_capabilities), 0);
	assert_int_equal(confined(do_room), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_leads_out_is_refused),
		cmocka_unit_test(test_what_a_daemon_does_is_allowed),
		cmocka_unit_test(test_few_capabilities_are_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
