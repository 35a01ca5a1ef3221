/*
 * Receive buffer: calls are parsed where the socket put them, so a WRITE's data is not
 * moved.  Of a large record exactly the missing rest is read, so that it ends where
 * the buffer's data ends and the next one starts at the front again.
 *
 * Send buffer: replies are collected and sent together; READ data is read from the
 * file into it.  While much is waiting for the socket no further call is served, so a
 * client that does not read its replies costs one buffer and no more.
 *
 * Both have the size for the largest transfer that ONTAP allows, but take memory only
 * where they were written: the kernel gives pages of large blocks when touched.
 */
#include "tests/sim/nfs/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sim/util.h"

#define XFER_LIMIT (1u << 20) /* bytes; settings.max_xfer is at most this */
#define RX_SIZE    (2 * (XFER_LIMIT + CALL_ROOM))
#define RX_CHUNK   (256u << 10) /* bytes asked for when nothing large is under way */
#define TX_FLUSH   (256u << 10) /* bytes collected before they are sent */
#define TX_SIZE    (TX_FLUSH + XFER_LIMIT + REPLY_ROOM)
#define TURN_CALLS 64           /* served before other connections have their turn */

#define LAST_FRAGMENT 0x80000000u

struct conn {
	int fd;
	struct peer peer;
	const struct conn_hooks *hooks;

	/* rx[base .. base + assembled) holds the fragments so far of the record under
	 * way, without their marks; rx[scan .. end) was received and not looked at. */
	char *rx;
	uint32_t base, assembled, scan, end;

	/* tx[head .. tail) waits to be sent */
	char *tx;
	uint32_t head, tail;
};

struct conn *conn_new(int fd, const struct peer *peer, const struct conn_hooks *hooks)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->fd = fd;
	c->peer = *peer;
	c->hooks = hooks;
	c->rx = malloc(RX_SIZE);
	c->tx = malloc(TX_SIZE);
	if (!c->rx || !c->tx) {
		c->fd = -1;
		conn_free(c);
		return NULL;
	}
	return c;
}

void conn_free(struct conn *c)
{
	free(c->rx);
	free(c->tx);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int conn_fd(const struct conn *c)
{
	return c->fd;
}

static uint32_t get_mark(const struct conn *c)
{
	uint32_t mark;

	memcpy(&mark, c->rx + c->scan, 4);
	return ntohl(mark);
}

/* Bytes of the fragment under way that are still to come, 0 when its mark is. */
static uint32_t missing(const struct conn *c)
{
	uint32_t have = c->end - c->scan, want;

	if (have < 4)
		return 0;
	want = 4 + (get_mark(c) & ~LAST_FRAGMENT);
	return want > have ? want - have : 0;
}

/* 1: *rec is a whole record, valid until the next read; 0: more bytes are needed;
 * -1: larger than anything a client may send. */
static int next_record(struct conn *c, uint32_t max, char **rec, uint32_t *len)
{
	while (c->end - c->scan >= 4) {
		uint32_t mark = get_mark(c), frag = mark & ~LAST_FRAGMENT;

		if (frag > max || c->assembled + frag > max)
			return -1;
		if (c->end - c->scan - 4 < frag)
			return 0;
		if (c->assembled == 0)
			c->base = c->scan + 4;
		else
			memmove(c->rx + c->base + c->assembled, c->rx + c->scan + 4, frag);
		c->assembled += frag;
		c->scan += 4 + frag;
		if (mark & LAST_FRAGMENT) {
			*rec = c->rx + c->base;
			*len = c->assembled;
			c->assembled = 0;
			return 1;
		}
	}
	return 0;
}

/* Makes room for what is to come by moving what is there to the front. */
static void compact(struct conn *c)
{
	uint32_t rest = c->end - c->scan;

	if (c->assembled)
		memmove(c->rx, c->rx + c->base, c->assembled);
	memmove(c->rx + c->assembled, c->rx + c->scan, rest);
	c->base = 0;
	c->scan = c->assembled;
	c->end = c->scan + rest;
}

/* Bytes read, 0: the socket is empty, -1: end or error.  *ret_short: there was less
 * than asked for, so the socket is empty now. */
static ssize_t receive(struct conn *c, bool *ret_short)
{
	uint32_t need = missing(c), want;
	ssize_t n;

	if (c->scan == c->end && !c->assembled)
		c->base = c->scan = c->end = 0;
	want = need > RX_CHUNK / 4 ? need : RX_CHUNK;
	if (RX_SIZE - c->end < want)
		compact(c);
	if (want > RX_SIZE - c->end)
		want = RX_SIZE - c->end;
	do
		n = recv(c->fd, c->rx + c->end, want, 0);
	while (n < 0 && errno == EINTR);
	*ret_short = n < (ssize_t)want;
	if (n > 0)
		c->end += (uint32_t)n;
	else
		n = n < 0 && errno == EAGAIN ? 0 : -1;
	return n;
}

/* 1: all sent, 0: the socket is full, -1: broken. */
static int flush(struct conn *c)
{
	while (c->head < c->tail) {
		ssize_t n = send(c->fd, c->tx + c->head, c->tail - c->head, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->head += (uint32_t)n;
	}
	c->head = c->tail = 0;
	return 1;
}

/* Serves one record.  False: it was no call. */
static bool answer(struct conn *c, const struct state *st, struct scratch *mem, char *rec,
                   uint32_t len)
{
	uint32_t room = (st->set.max_xfer > DIR_REPLY_MAX ? st->set.max_xfer : DIR_REPLY_MAX) + REPLY_ROOM;
	uint32_t n, mark;

	if (TX_SIZE - c->tail < room + 4) {
		memmove(c->tx, c->tx + c->head, c->tail - c->head);
		c->tail -= c->head;
		c->head = 0;
	}
	n = dispatch(st, &c->peer, mem, rec, len, c->tx + c->tail + 4, room - 4);
	mark = htonl(n | LAST_FRAGMENT);
	memcpy(c->tx + c->tail, &mark, 4);
	c->tail += n ? 4 + n : 0;
	return n != 0;
}

/* Serves calls that are in the buffer until it has no whole one, the send buffer is
 * full enough or the turn is over.  As next_record(). */
static int serve_buffered(struct conn *c, struct scratch *mem, int *turn)
{
	const struct state *st = c->hooks->begin();
	uint32_t len;
	char *rec;
	int r = 1;

	while (*turn > 0 && c->tail - c->head < TX_FLUSH) {
		r = next_record(c, st->set.max_xfer + CALL_ROOM, &rec, &len);
		if (r <= 0)
			break;
		if (!answer(c, st, mem, rec, len)) {
			r = -1;
			break;
		}
		--*turn;
	}
	c->hooks->end();
	return r;
}

enum conn_next conn_serve(struct conn *c, struct scratch *mem)
{
	int turn = TURN_CALLS, sent = flush(c), r;
	bool empty = false;

	while (sent > 0) {
		r = serve_buffered(c, mem, &turn);
		/* replies to what came before a broken record still go out */
		sent = flush(c);
		if (r < 0)
			return CONN_CLOSE;
		if (sent <= 0)
			break;
		if (turn == 0)
			return CONN_AGAIN;
		if (r > 0)
			continue;
		if (empty)
			return CONN_READ;
		r = receive(c, &empty) < 0 ? -1 : 0;
		if (r < 0)
			return CONN_CLOSE;
	}
	return sent < 0 ? CONN_CLOSE : CONN_WRITE;
}
