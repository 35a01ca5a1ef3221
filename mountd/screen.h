/* A terminal for a command that goes on until q: the other screen, no echo, and
 * all as it was on every way out. Main thread; one at a time. */
#ifndef MOUNTD_SCREEN_H
#define MOUNTD_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct screen {
	int signals;          /* signalfd */
	sigset_t mask;        /* as it was */
	struct termios was;
	bool keys;            /* stdin is a terminal, and changed */
};

enum screen_event { SCREEN_TIME, SCREEN_REDRAW, SCREEN_QUIT };

/* 0 or -errno. INT, TERM, HUP, QUIT, TSTP, CONT and WINCH come to screen_wait from here on. */
int screen_begin(struct screen *s);
/* Puts everything back. */
void screen_end(struct screen *s);
/* An empty screen; what is printed next begins at its top. */
void screen_clear(void);
/* Lines of the terminal beyond `used`; at least 1. */
size_t screen_rows(size_t used);
/* Until ms have passed, q was pressed or a signal says so. Ctrl-Z stops the process
 * with the terminal as it was before; when it goes on, SCREEN_REDRAW. */
enum screen_event screen_wait(struct screen *s, int ms);

#endif
