/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_loop.cpp - how packets leave a Reader: next(), loop(), dispatch(),
 * next_batch().
 *
 * libpfring is asked for a batch at a time, without the GIL; the packets of it
 * are then handed out one by one, with no further transition. What has been
 * fetched and not seen stays in the Reader: whoever reads next goes on there,
 * so a callback that raises, a nested next() or a count in the middle of a
 * batch loses nothing.
 */
#include "pcapy.h"

#include <sched.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace
{

/* How long a sieve may run before Python's signal handlers get a look in. */
constexpr uint64_t kSieveNs = 50000000;

uint64_t now_ns()
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/*
 * How many of max packets to take in one go. While the library tests what is
 * queued with the filter in force, one: what that refuses is gone, and a callback
 * may set a filter that wants what comes behind the packet that it was given.
 */
unsigned at_once(Reader *reader, unsigned max)
{
	struct pfring_details details = {};

	if (!reader->queued)
		return max;
	details.sz = sizeof(details);
	reader->queued = pfring_get_details(reader->ring, &details) == 0 && details.refiltered;
	return reader->queued ? 1 : max;
}

/*
 * Without the GIL, holding rx: one batch, or as many as the filter refuses and
 * the sieve swallows in kSieveNs. Its size, 0 if there is nothing to hand out;
 * *window is what is to be put into the Reader, if a batch came.
 */
int receive(Reader *reader, bool wait, Sieve *sieve, Window *window)
{
	int timeout_ms = wait ? kSliceMs : 0;
	uint64_t deadline = 0;

	for (;;) {
		unsigned max = sieve ? sieve->want() : kHeld;

		if (max == 0)
			return 0;
		int n = pfring_recv_batch(reader->ring, reader->held->raw, at_once(reader, max),
					  timeout_ms);
		if (n <= 0)
			return n;
		*window = pcapy_hold(reader, (unsigned)n);
		unsigned left = (unsigned)(window->end - window->next);
		unsigned gone = left && sieve ? sieve->swallow(window->next, left) : 0;
		window->next += gone;
		if (left > gone)
			return (int)(left - gone);
		if (deadline == 0)
			deadline = now_ns() + kSieveNs;
		else if (now_ns() > deadline)
			return 0;
	}
}

/*
 * Takes rx for a fetch: with the GIL held on return, and with nothing held back
 * from another thread. False if packets came or the Reader was closed meanwhile.
 */
bool begin_fetch(Reader *reader)
{
	if (reader->wanting > 0 || pthread_mutex_trylock(&reader->rx) != 0) {
		int busy;

		Py_BEGIN_ALLOW_THREADS while (__atomic_load_n(&reader->wanting, __ATOMIC_RELAXED) >
					      0) sched_yield();
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += (long)kSliceMs * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		busy = pthread_mutex_timedlock(&reader->rx, &until);
		Py_END_ALLOW_THREADS if (busy) return false;
	}
	if (reader->next == reader->end && reader->source != Source::closed)
		return true;
	pthread_mutex_unlock(&reader->rx);
	return false;
}

/* One turn of a fetch: what libpfring said, 0 if another thread was at it. */
int fetch_once(Reader *reader, bool wait, Sieve *sieve)
{
	if (!begin_fetch(reader))
		return 0;
	Window window = {reader->next, reader->end};
	int rc = reader->pending;
	reader->pending = 0;
	if (rc == 0) {
		Py_BEGIN_ALLOW_THREADS rc = receive(reader, wait, sieve, &window);
		Py_END_ALLOW_THREADS
	}
	if (reader->source != Source::closed) {
		reader->next = window.next;
		reader->end = window.end;
	}
	pthread_mutex_unlock(&reader->rx);
	return rc;
}

/* Fetches more without waiting. An error is kept for the next call: this one has packets to give.
 */
void top_up(Reader *reader)
{
	int rc = reader->pending || !pcapy_claim(reader) ? 0 : fetch_once(reader, false, nullptr);

	if (rc < 0 && rc != -EINTR) {
		reader->pending = rc;
		snprintf(reader->pending_why, sizeof(reader->pending_why), "%s",
			 pfring_last_cause());
	}
}

Got failed(Reader *reader, int err)
{
	switch (err) {
	case -ENODATA:
		return Got::end;
	case -ENODEV:
	case -ENXIO:
		PyErr_SetString(pcapy_error, "The interface disappeared");
		return Got::error;
	default:
		PyErr_SetString(pcapy_error,
				reader->pending_why[0] ? reader->pending_why : pfring_last_cause());
		reader->pending_why[0] = 0;
		return Got::error;
	}
}

/* The oldest packet that the user has not seen becomes (header, data). It counts as seen. */
inline bool take(Reader *reader, PyObject **header, PyObject **data)
{
	const struct pfring_packet *packet = reader->next;

	if (packet + 1 < reader->end)
		__builtin_prefetch(packet[1].data);
	*header = pcapy_pkthdr_new(packet);
	*data = PyBytes_FromStringAndSize(reinterpret_cast<const char *>(packet->data),
					  (Py_ssize_t)packet->caplen);
	if (*header == nullptr || *data == nullptr) {
		Py_CLEAR(*header);
		Py_CLEAR(*data);
		return false;
	}
	reader->next++;
	return true;
}

inline bool call(Reader *reader, PyObject *callback)
{
	PyObject *args[3] = {nullptr, nullptr, nullptr};

	if (!take(reader, &args[1], &args[2]))
		return false;
	PyObject *result = PyObject_Vectorcall(callback, args + 1,
					       2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
	Py_DECREF(args[1]);
	Py_DECREF(args[2]);
	Py_XDECREF(result);
	return result != nullptr;
}

enum class Until : uint8_t { count, empty };

/*
 * Calls back for count packets (0 or less: no limit). Until::empty also ends
 * when no more packets are there, having waited for the first only. How many
 * were handed over, or -1 with a Python error.
 */
long hand_over(Reader *reader, int count, PyObject *callback, Until until)
{
	/* A file is read to its end by dispatch() too, also where its bytes have yet to come. */
	bool always = until == Until::count || reader->source == Source::file;
	ReaderUse use(reader);
	long done = 0;

	for (;;) {
		while (pcapy_has(reader)) {
			if (!call(reader, callback))
				return -1;
			done++;
			if (count > 0 && done == count) {
				pcapy_tidy(reader);
				return done;
			}
		}
		switch (pcapy_fetch(reader, always || (done == 0 && !reader->nonblock))) {
		case Got::packets:
			break;
		case Got::nothing:
		case Got::end:
		case Got::closed:
			return done;
		case Got::error:
			return -1;
		}
	}
}

/* Bytes that grow; without a copy at the end. */
struct Bytes {
	PyObject *object = nullptr;
	Py_ssize_t used = 0;

	~Bytes()
	{
		Py_XDECREF(object);
	}

	/* Room for more bytes at the end, or nullptr with a Python error. */
	char *extend(Py_ssize_t more)
	{
		Py_ssize_t room = object ? PyBytes_GET_SIZE(object) : 0;

		if (object == nullptr)
			object = PyBytes_FromStringAndSize(nullptr, more);
		else if (used + more > room)
			_PyBytes_Resize(&object, used + more > 2 * room ? used + more : 2 * room);
		if (object == nullptr)
			return nullptr;
		used += more;
		return PyBytes_AS_STRING(object) + used - more;
	}

	PyObject *finish()
	{
		PyObject *result;

		if (object == nullptr)
			return PyBytes_FromStringAndSize(nullptr, 0);
		if (used != PyBytes_GET_SIZE(object) && _PyBytes_Resize(&object, used) < 0)
			return nullptr;
		result = object;
		object = nullptr;
		return result;
	}
};

struct Meta {
	uint32_t sec, usec, offset, caplen;
};

/* Moves up to n held packets over. False with a Python error; then none were moved. */
bool append(Reader *reader, Py_ssize_t n, Bytes *data, Bytes *meta)
{
	Py_ssize_t size = 0;

	for (Py_ssize_t i = 0; i < n; i++)
		size += reader->next[i].caplen;
	Py_ssize_t offset = data->used;
	auto *record = reinterpret_cast<Meta *>(meta->extend(n * (Py_ssize_t)sizeof(Meta)));
	char *to = record ? data->extend(size) : nullptr;
	if (to == nullptr)
		return false;
	for (; n > 0; n--, record++) {
		const struct pfring_packet *packet = reader->next++;

		record->sec = (uint32_t)(packet->ts_ns / 1000000000u);
		record->usec = (uint32_t)(packet->ts_ns % 1000000000u / 1000u);
		record->offset = (uint32_t)offset;
		record->caplen = packet->caplen;
		memcpy(to, packet->data, packet->caplen);
		to += packet->caplen;
		offset += packet->caplen;
	}
	return true;
}

} // namespace

/* With the GIL, a ReaderUse and nothing held. Signals are seen to on every turn. */
Got pcapy_fetch(Reader *reader, bool wait, Sieve *sieve)
{
	if (!pcapy_claim(reader)) {
		PyErr_Format(pcapy_error,
			     "process %d reads this capture since the fork; open one of your own",
			     (int)reader->owner);
		return Got::error;
	}
	for (;;) {
		int rc = fetch_once(reader, wait, sieve);

		if (PyErr_CheckSignals() < 0)
			return Got::error;
		if (reader->source == Source::closed)
			return Got::closed;
		if (reader->next < reader->end)
			return Got::packets;
		if (rc < 0 && rc != -EINTR)
			return failed(reader, rc);
		if (sieve != nullptr && sieve->want() == 0)
			return Got::nothing;
		if (!wait && rc == 0)
			return Got::nothing;
	}
}

void pcapy_tidy(Reader *reader)
{
	if (reader->selecting && reader->next == reader->end && reader->source == Source::live)
		top_up(reader);
}

PyObject *pcapy_next(PyObject *self, PyObject *)
{
	Reader *reader = as_reader(self);
	PyObject *header, *data, *pair;

	if (!pcapy_has(reader)) {
		if (!pcapy_open(reader))
			return nullptr;
		ReaderUse use(reader);
		Got got = reader->source == Source::unactivated
				  ? Got::nothing
				  : pcapy_fetch(reader, !reader->nonblock);
		if (got == Got::error)
			return nullptr;
		if (got != Got::packets)
			return Py_BuildValue("(Oy#)", Py_None, "", (Py_ssize_t)0);
	}
	if (!take(reader, &header, &data))
		return nullptr;
	if (reader->selecting) {
		ReaderUse use(reader);
		pcapy_tidy(reader);
	}
	pair = PyTuple_New(2);
	if (pair == nullptr) {
		Py_DECREF(header);
		Py_DECREF(data);
		return nullptr;
	}
	PyTuple_SET_ITEM(pair, 0, header);
	PyTuple_SET_ITEM(pair, 1, data);
	return pair;
}

PyObject *pcapy_loop(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	PyObject *callback;
	int count;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "iO:loop", &count, &callback) || !pcapy_activated(reader))
		return nullptr;
	if (hand_over(reader, count, callback, Until::count) < 0)
		return nullptr;
	Py_RETURN_NONE;
}

PyObject *pcapy_dispatch(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	PyObject *callback;
	int count;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "iO:dispatch", &count, &callback) || !pcapy_activated(reader))
		return nullptr;
	long done = hand_over(reader, count, callback, Until::empty);
	return done < 0 ? nullptr : PyLong_FromLong(done);
}

PyObject *pcapy_next_batch(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	Bytes data, meta;
	int max;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "i:next_batch", &max) || !pcapy_activated(reader))
		return nullptr;

	ReaderUse use(reader);
	Py_ssize_t left = max > 0 ? max : kHeld;
	while (left > 0) {
		if (!pcapy_has(reader) && meta.used > 0) {
			top_up(reader);
			if (!pcapy_has(reader))
				break;
		}
		if (!pcapy_has(reader)) {
			Got got = pcapy_fetch(reader, !reader->nonblock);

			if (got == Got::error)
				return nullptr;
			if (got != Got::packets)
				break;
		}
		Py_ssize_t n = reader->end - reader->next;
		if (n > left)
			n = left;
		if (!append(reader, n, &data, &meta))
			return nullptr;
		left -= n;
	}
	pcapy_tidy(reader);
	PyObject *bytes = data.finish();
	PyObject *records = meta.finish();
	if (bytes == nullptr || records == nullptr) {
		Py_XDECREF(bytes);
		Py_XDECREF(records);
		return nullptr;
	}
	return Py_BuildValue("(NN)", bytes, records);
}
