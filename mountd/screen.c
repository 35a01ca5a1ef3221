#include "mountd/screen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "fs/base/clock.h"

/* ECMA-48 and xterm's alternate screen, which every terminal of today has. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[2J"

static void change(struct screen *s)
{
	if (s->keys) {
		struct termios t = s->was;
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
	}
	fputs(ENTER, stdout);
	fflush(stdout);
}

static void put_back(struct screen *s)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (s->keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->was);
}

int screen_begin(struct screen *s)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
	sigset_t set;
	*s = (struct screen){.signals = -1};
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(&set, numbers[i]);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	s->keys = tcgetattr(STDIN_FILENO, &s->was) == 0;
	change(s);
	return 0;
}

void screen_end(struct screen *s)
{
	put_back(s);
	close(s->signals);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

void screen_clear(void)
{
	fputs(CLEAR, stdout);
}

size_t screen_rows(size_t used)
{
	struct winsize w;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row == 0)
		w.ws_row = 24;
	return w.ws_row > used ? w.ws_row - used : 1;
}

static enum screen_event take_signal(struct screen *s)
{
	struct signalfd_siginfo si;
	if (read(s->signals, &si, sizeof(si)) != sizeof(si))
		return SCREEN_REDRAW;
	switch (si.ssi_signo) {
	case SIGWINCH:
	case SIGCONT: return SCREEN_REDRAW;
	case SIGTSTP:
		put_back(s);
		raise(SIGSTOP);
		change(s);
		return SCREEN_REDRAW;
	default: return SCREEN_QUIT;
	}
}

enum screen_event screen_wait(struct screen *s, int ms)
{
	int64_t end = clock_now_ns() + (int64_t)ms * 1000000;
	for (;;) {
		int64_t left = end - clock_now_ns();
		if (left <= 0)
			return SCREEN_TIME;
		struct pollfd p[] = {{.fd = s->signals, .events = POLLIN},
				     {.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN}};
		int r = poll(p, 2, (int)(left / 1000000) + 1);
		if (r == 0)
			return SCREEN_TIME;
		if (r < 0 && errno != EINTR)
			return SCREEN_QUIT;
		if (p[0].revents)
			return take_signal(s);
		char key;
		if (p[1].revents && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q'))
			return SCREEN_QUIT; /* or the terminal is gone */
	}
}
