/* ontapfs serve: the daemon. Its holder starts it with a socket to talk over;
 * nobody else does.
 *
 * The main thread runs the file system. One service thread owns signals and
 * watches the holder, so that no handler ever runs inside the file system:
 *   SIGTERM, SIGINT  drain and end (the holder starts a successor, unless it
 *                    asked for this itself)
 *   SIGHUP           read the catalog again
 *   SIGUSR1, SIGUSR2 log more, log less */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/fs.h"
#include "mountd/cmd.h"
#include "mountd/config.h"
#include "mountd/link.h"
#include "mountd/params.h"

struct serve {
	/* immutable once the service thread runs */
	const char *source, *mountpoint, *overrides;
	int link, signal_fd;

	pthread_mutex_t lock;
	struct fs *fs;   /* under lock; NULL before and after its life */
	bool started;    /* under lock; fs has lived */
	_Atomic bool orphan; /* the holder is gone */
	bool verbose;
	char login_error[512]; /* why the last re-read failed; control thread */
	_Atomic int level;   /* enum log_level */
};

/* ---- service thread --------------------------------------------------------- */

static void set_level(struct serve *s, enum log_level level)
{
	s->level = (int)level;
	log_set_level(level);
}

static void change_level(struct serve *s, int by)
{
	static const char *const name[] = {"error", "warning", "info", "debug"};
	int level = s->level + by;
	if (level < LOG_LV_ERROR || level > LOG_LV_DEBUG)
		return;
	/* Said while info is on, whichever way it goes. */
	log_set_level(LOG_LV_INFO);
	log_info("log level is %s now", name[level]);
	set_level(s, (enum log_level)level);
}

static void on_signal(struct serve *s, uint32_t sig)
{
	if (sig == SIGUSR1 || sig == SIGUSR2) {
		change_level(s, sig == SIGUSR1 ? 1 : -1);
		return;
	}
	pthread_mutex_lock(&s->lock);
	if (s->fs && sig == SIGHUP)
		fs_refresh(s->fs);
	else if (s->fs)
		fs_stop(s->fs);
	else if (sig != SIGHUP && !s->started)
		_exit(HOLD_EXIT_OK); /* still connecting: nothing to drain */
	pthread_mutex_unlock(&s->lock);
}

static void *service(void *priv)
{
	struct serve *s = priv;
	/* Nothing is read from the link here: only its end is of interest. */
	struct pollfd p[2] = {{.fd = s->signal_fd, .events = POLLIN}, {.fd = s->link}};
	prctl(PR_SET_NAME, "service");
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		struct signalfd_siginfo si;
		if (p[0].revents && read(s->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
			on_signal(s, si.ssi_signo);
		if (p[1].revents) {
			p[1].fd = -1;
			s->orphan = true;
			log_warn("the holder of %s is gone: serving on, but a crash of this process "
				 "would end the mount",
				 s->mountpoint);
		}
	}
	return NULL;
}

static void block_signals(struct serve *s)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
}

/* ---- main thread --------------------------------------------------------------- */

static struct fs *set_fs(struct serve *s, struct fs *fs)
{
	pthread_mutex_lock(&s->lock);
	s->fs = fs;
	s->started = true;
	pthread_mutex_unlock(&s->lock);
	return fs;
}

static int fail(struct serve *s, int status, const char *text)
{
	link_send(s->link, HOLD_FAILED, text);
	return status;
}

static int load_config(const struct serve *s, struct config *cfg, char err[512])
{
	int r = config_load(s->source, cfg, err);
	return r == 0 && s->overrides ? config_set_list(cfg, s->overrides, err) : r;
}

/* The login of now, from wherever the configuration has it: the password was
 * changed, or a certificate renewed. On the control thread. What is wrong is said
 * once, not each time that it is tried. */
static void read_login(struct ontap *o, void *priv)
{
	struct serve *s = priv;
	struct config cfg = {0};
	struct ontap_error e = {0};
	char err[512] = "";
	int r = load_config(s, &cfg, err);
	if (r == 0) {
		struct ontap_login login = params_login(&cfg);
		r = ontap_set_credentials(o, &login, &e);
	}
	if (r < 0 && !*err)
		snprintf(err, sizeof(err), "%s", e.text);
	if (r < 0 && strcmp(err, s->login_error) != 0)
		log_warn("the login stays as it is, its new one cannot be read: %s", err);
	snprintf(s->login_error, sizeof(s->login_error), "%s", r < 0 ? err : "");
	config_free(&cfg);
}

/* An upgrade: looks whether this daemon can follow the one that serves, and waits
 * until that one has gone. 0, or -errno with err. */
static int wait_for_turn(struct serve *s, const struct fs_params *params, char err[512])
{
	int r = fs_check_takeover(params, err);
	if (r == 0 && (r = link_wait_go(s->link)) < 0)
		snprintf(err, 512, "the holder does not need this daemon any more");
	return r;
}

/* Loads the configuration and makes the file system from it; secrets live no
 * longer than this. NULL: err says why, errno is EOPNOTSUPP when a takeover is
 * impossible for good. */
static struct fs *make_fs(struct serve *s, const struct link_setup *setup, char err[512])
{
	struct config cfg = {0};
	struct fs_params params;
	struct fs *fs = NULL;
	struct buf json;
	buf_init(&json, 1 << 20);
	int r = load_config(s, &cfg, err);
	if (r == 0)
		r = params_fill(&cfg, &json, &params, err);
	errno = -r;
	if (r == 0) {
		if (!s->verbose)
			set_level(s, (enum log_level)cfg.log_level);
		params.ontap.read_login = read_login;
		params.ontap.read_login_priv = s;
		params.fuse_fd = setup->fuse_fd;
		params.state_fd = setup->state_fd;
		params.takeover = setup->mode != HOLD_FIRST;
		params.mountpoint = s->mountpoint;
		if (setup->mode == HOLD_CANDIDATE)
			r = wait_for_turn(s, &params, err);
		errno = -r;
	}
	if (r == 0)
		fs = fs_new(&params, err);
	int saved = errno;
	buf_fini(&json);
	config_free(&cfg);
	errno = saved;
	return fs;
}

static void on_ready(void *priv)
{
	struct serve *s = priv;
	link_send(s->link, HOLD_READY, "");
}

/* From the first byte to the last. The exit status. */
static int serve(struct serve *s)
{
	char err[512] = "";
	struct link_setup setup;
	int r = link_setup(s->link, &setup);
	if (r < 0)
		return cmd_fail("cannot serve %s: the holder does not answer: %s", s->mountpoint,
				strerror(-r));
	struct fs *fs = make_fs(s, &setup, err);
	if (!fs)
		return fail(s,
			    setup.mode != HOLD_FIRST && errno == EOPNOTSUPP ? HOLD_EXIT_CANNOT
									    : HOLD_EXIT_FAILED,
			    err);
	set_fs(s, fs);
	if (setup.mode == HOLD_FIRST) {
		char options[1024];
		fs_mount_options(fs, options, sizeof(options));
		r = link_mount(s->link, options, err, sizeof(err));
	}
	if (r == 0)
		r = fs_serve(fs, on_ready, s, err);
	set_fs(s, NULL);
	if (r == 0)
		link_send(s->link, HOLD_ENDED, "");
	else if (r < 0)
		link_send(s->link, HOLD_FAILED, err);
	fs_free(fs);
	/* Nobody else could take the dead mount away. */
	if (r != 0 && s->orphan)
		umount2(s->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
	return r < 0 ? HOLD_EXIT_FAILED : HOLD_EXIT_OK;
}

static const struct argp_option options[] = {
	{NULL, 'o', "LIST", 0, "KEY=VALUE settings over those of the configuration", 0},
	{"verbose", 'v', NULL, 0, "Log at level debug", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct serve *s = state->input;
	switch (key) {
	case 'o':
		s->overrides = arg;
		return 0;
	case 'v':
		s->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!s->source)
			s->source = arg;
		else if (!s->mountpoint)
			s->mountpoint = arg;
		else
			argp_error(state, "too many arguments: %s", arg);
		return 0;
	case ARGP_KEY_END:
		if (!s->mountpoint)
			argp_error(state, "SOURCE and MOUNTPOINT are missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_serve(int argc, char **argv)
{
	static const struct argp argp = {options, parse, "SOURCE MOUNTPOINT",
					 "The daemon of a mount; ontapfs-hold starts it.", NULL, NULL,
					 NULL};
	static struct serve s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	argp_parse(&argp, argc, argv, 0, NULL, &s);
	s.link = link_open();
	if (s.link < 0)
		return cmd_fail("'serve' is for ontapfs-hold only; 'ontapfs mount' mounts");

	/* A core dump would hold the password and users' data. */
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	log_init("ontapfs", 2);
	set_level(&s, s.verbose ? LOG_LV_DEBUG : LOG_LV_INFO);
	block_signals(&s);
	pthread_t thread;
	if (s.signal_fd < 0 || pthread_create(&thread, NULL, service, &s) != 0)
		return fail(&s, HOLD_EXIT_FAILED, "cannot start a thread");
	return serve(&s);
}
