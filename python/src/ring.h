/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h - pfring.Ring, the object behind pfring.open().
 *
 * A Ring owns one Handle, which does the waiting and the locking; what is
 * kept here besides is what never changes after opening, so that it can be
 * asked for without a turn, and also after close. It dies without the GIL: no
 * Python object may be a member.
 */
#ifndef PFRING_PY_RING_H
#define PFRING_PY_RING_H

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>

#include "handle.h"

struct Ring : Bound {
	std::unique_ptr<Handle> handle;
	std::string source, backend, why;
	int linktype;
	int fd = -1; /* once fileno() was called */
	unsigned snaplen;
	int64_t timeout_ns; /* how long a read waits; WAIT_FOREVER */
	bool eof = false;
	unsigned sampling = 1;
	std::string direction = "inout";
	std::optional<std::string> filter, reflect_to;
	std::string policy = "accept";

	/* An error that came after packets that had to be handed out first (its destructor takes
	 * the GIL). */
	std::unique_ptr<pybind11::error_already_set> deferred;

	/* Handle::refill() that also knows of the end of a file and of deferred errors. */
	Handle::End refill(int64_t timeout, PacketSink *sink = nullptr,
			   unsigned max = Handle::BATCH, unsigned *taken = nullptr)
	{
		if (deferred) {
			deferred->restore();
			deferred.reset();
			return Handle::End::Exception;
		}
		Handle::End end = handle->refill(timeout, sink, max, taken);
		eof = eof || end == Handle::End::Eof;
		return end;
	}
	/* Throws Closed. */
	void check_open() const;
};

/* ret, unless it is an error: throws it (cls: as that class), or Closed. */
int ring_check(const Ring &ring, int ret, const char *cls = nullptr);

/* A call that is not a read: in its own turn; throws what went wrong. */
template <class F> int ring_call(Ring &ring, F f, const char *cls = nullptr)
{
	ring.check_open();
	return ring_check(ring, ring.handle->exclusive(f), cls);
}

/* Seconds as Python gives them (None: for ever) in nanoseconds; throws ValueError. */
int64_t timeout_from_python(const pybind11::handle &seconds);

/* ring_inspect.cpp: pfring.Lane of each lane; pfring.Details. */
pybind11::list ring_lanes(Ring &ring);
pybind11::object ring_details(Ring &ring);

/* A new reference to an iterator over self (a Ring); nullptr with an error set. */
PyObject *ring_iterator_new(PyObject *self, Ring *ring);
/* A new (ts_ns, bytes), or nullptr. Copies the bytes before Python may run anything. */
PyObject *packet_tuple(const pfring_packet *packet);

#endif /* PFRING_PY_RING_H */
