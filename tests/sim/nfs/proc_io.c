/*
 * File data: READ, WRITE, COMMIT.
 *
 * Data is never copied inside this process: READ reads from the file to its place
 * in the output buffer, WRITE writes from where the socket put it.
 *
 * A WRITE of any kind is answered FILE_SYNC once it is in the page cache, which
 * outlives this process; see simnfs.h for what that promises.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/nfs/call.h"
#include "tests/sim/nfs/unstable.h"

/* Besides what the mode says, the owner may always read and write (he may have
 * opened the file before it was closed to him), and execute implies read (a client
 * reads what it executes). */
static nfsstat3 may_io(const struct obj *o, int mode)
{
	int r;

	if (S_ISDIR(o->st.st_mode))
		return NFS3ERR_ISDIR;
	if (!S_ISREG(o->st.st_mode))
		return NFS3ERR_INVAL;
	if (o->who.uid == 0 || o->who.uid == o->st.st_uid)
		return NFS3_OK;
	r = obj_access(o, mode);
	if (r == -EACCES && mode == R_OK)
		r = obj_access(o, X_OK);
	return status_of(r);
}

bool proc_read(struct call *c)
{
	READ3head res = {.count = 0};
	READ3args a;
	struct obj o;
	u_int start, data, count;
	ssize_t n = 0;
	nfsstat3 s;

	a.file.data.data_val = c->mem->fh[0];
	if (!xdr_READ3args(&c->in, &a))
		return false;
	s = obj_get(c, &a.file, WANT_READ, &o);
	if (s == NFS3_OK)
		s = may_io(&o, R_OK);

	attr_known(&o, &res.file_attributes);
	start = xdr_getpos(&c->out);
	put_status(c, s);
	if (s != NFS3_OK) {
		xdr_post_op_attr(&c->out, &res.file_attributes);
		obj_put(&o);
		return true;
	}
	/* the place of the data is known only behind the encoded head; its numbers
	 * only after the read */
	xdr_READ3head(&c->out, &res);
	data = xdr_getpos(&c->out);
	count = a.count < c->st->set.max_xfer ? a.count : c->st->set.max_xfer;
	if (a.offset < (u_quad_t)o.st.st_size)
		n = unstable_read(&o.n.k, o.fd, c->out_base + data, count, a.offset);
	if (n < 0) {
		s = status_of(-errno);
		xdr_setpos(&c->out, start);
		put_status(c, s);
		xdr_post_op_attr(&c->out, &res.file_attributes);
	} else {
		u_int pad = (4 - ((u_int)n & 3)) & 3;

		res.count = res.data_len = (u_int)n;
		res.eof = a.offset + (u_quad_t)n >= (u_quad_t)o.st.st_size;
		xdr_setpos(&c->out, start);
		put_status(c, s);
		xdr_READ3head(&c->out, &res);
		memset(c->out_base + data + n, 0, pad);
		xdr_setpos(&c->out, data + (u_int)n + pad);
	}
	obj_put(&o);
	return true;
}

static ssize_t write_all(int fd, const char *data, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, data + done, len - done, off + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return done ? (ssize_t)done : n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Returns the status; *count and *how are what the reply says. */
static nfsstat3 write_data(struct call *c, struct obj *o, const WRITE3head *a, const char *data,
                           u_int *count, stable_how *how)
{
	nfsstat3 s = may_io(o, W_OK);
	ssize_t n;
	int r;

	if (s != NFS3_OK)
		return s;
	if (a->offset > (u_quad_t)INT64_MAX - *count)
		return NFS3ERR_FBIG;
	if (o->n.vol->full && *count)
		return NFS3ERR_NOSPC;
	/* setuid bits go with the write itself, so such a file is not kept waiting */
	if (c->st->set.unstable && a->stable == UNSTABLE && *count &&
	    !(o->st.st_mode & (S_ISUID | S_ISGID)) &&
	    unstable_write(&o->n.k, a->offset, data, *count) == 0) {
		*how = UNSTABLE;
		return NFS3_OK;
	}
	r = unstable_flush(&o->n.k, o->fd);
	if (r < 0)
		return status_of(r);
	n = write_all(o->fd, data, *count, (off_t)a->offset);
	if (n < 0)
		return status_of((int)n);
	*count = (u_int)n;
	return NFS3_OK;
}

bool proc_write(struct call *c)
{
	WRITE3resok res = {.committed = FILE_SYNC};
	WRITE3head a;
	struct obj o;
	u_int at, left;
	nfsstat3 s;

	a.file.data.data_val = c->mem->fh[0];
	if (!xdr_WRITE3head(&c->in, &a))
		return false;
	at = xdr_getpos(&c->in);
	left = c->body_len - at;
	if (a.data_len > left || a.count > a.data_len)
		return false;

	res.count = a.count < c->st->set.max_xfer ? a.count : c->st->set.max_xfer;
	s = obj_get(c, &a.file, WANT_WRITE, &o);
	if (s == NFS3_OK)
		s = write_data(c, &o, &a, c->body + at, &res.count, &res.committed);
	put_status(c, s);
	attr_wcc(&o, &res.file_wcc);
	if (s == NFS3_OK) {
		memcpy(res.verf, unstable_verf, sizeof res.verf);
		xdr_WRITE3resok(&c->out, &res);
	} else {
		xdr_wcc_data(&c->out, &res.file_wcc);
	}
	obj_put(&o);
	return true;
}

bool proc_commit(struct call *c)
{
	COMMIT3resok res;
	COMMIT3args a;
	struct obj o;
	nfsstat3 s;

	a.file.data.data_val = c->mem->fh[0];
	if (!xdr_COMMIT3args(&c->in, &a))
		return false;
	s = obj_get(c, &a.file, WANT_CHANGE, &o);
	if (s == NFS3_OK && !S_ISREG(o.st.st_mode))
		s = S_ISDIR(o.st.st_mode) ? NFS3ERR_ISDIR : NFS3ERR_INVAL;
	/* all of the file: what lies outside the range may become stable early */
	if (s == NFS3_OK)
		s = status_of(unstable_flush(&o.n.k, -1));
	put_status(c, s);
	attr_wcc(&o, &res.file_wcc);
	if (s == NFS3_OK) {
		memcpy(res.verf, unstable_verf, sizeof res.verf);
		xdr_COMMIT3resok(&c->out, &res);
	} else {
		xdr_wcc_data(&c->out, &res.file_wcc);
	}
	obj_put(&o);
	return true;
}
