/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.h - a libpfring handle as Python threads share it.
 *
 * One thread reads at a time (a second reader gets InUse); calls that do not
 * read (stats, filter, send, close) may come from any thread at any time: they
 * wake a reader that waits, have their turn, and it goes on waiting.
 *
 * Locks. The GIL guards the pending packets and every flag. The turn (Turn)
 * guards the libpfring handle; it is taken and kept without the GIL, so a
 * thread that has the turn may wait for the GIL and never the other way round.
 * Signals are looked at whenever a wait was interrupted, and every SIGNAL_MS
 * for one that came just before the wait began.
 */
#ifndef PFRING_PY_HANDLE_H
#define PFRING_PY_HANDLE_H

#include <Python.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "bound.h"
#include "fork_guard.h"
#include "pfring.h"

constexpr int64_t WAIT_FOREVER = -1;

/* Takes packets that lie in ring memory, without the GIL. 0 or a negative errno. */
class PacketSink : public Bound
{
      public:
	virtual ~PacketSink() = default;
	virtual int take(const pfring_packet *packets, unsigned n) = 0;
	/* The sentence for what take() came back with, on the same thread. */
	virtual std::string why() const
	{
		return pfring_last_error();
	}
	/* Nothing came for a while. */
	virtual void idle()
	{
	}
	/* Whether more may follow at once, if it is there: what was taken need not stay in the
	 * ring. */
	virtual bool more() const
	{
		return false;
	}
	/* Where to receive to, *max packets at most; nullptr: 256 at most, to the handle's own. */
	virtual pfring_packet *room(unsigned *max)
	{
		(void)max;
		return nullptr;
	}
};

/* An open ring: closed with the last reference, so that memory in use stays mapped. */
struct OpenRing {
	explicit OpenRing(pfring *ring) : ring(ring)
	{
	}
	~OpenRing()
	{
		pfring_close(ring);
	}
	OpenRing(const OpenRing &) = delete;
	OpenRing &operator=(const OpenRing &) = delete;

	pfring *const ring;
};

class Handle
{
      public:
	static constexpr unsigned BATCH = 256;
	/* Packets from the one handed out to the one whose bytes are fetched from the producer's
	 * core. */
	static constexpr unsigned AHEAD = 6;

	/* Why refill() came back without packets. */
	enum class End { None, Timeout, Eof, Broken, Closed, Exception };

	/* Owns ring from here on. */
	explicit Handle(pfring *ring);
	/* Without the GIL, nobody else using the object. */
	~Handle();
	Handle(const Handle &) = delete;
	Handle &operator=(const Handle &) = delete;

	/*
	 * The next packet already fetched, or nullptr: refill() then. Its bytes
	 * are valid until control goes back to Python or the GIL is released.
	 */
	const pfring_packet *next_pending()
	{
		if (head == count || broken.load(std::memory_order_relaxed))
			return nullptr;
		if (head + AHEAD < count) {
			const pfring_packet &next = pending[head + AHEAD];
			__builtin_prefetch(next.data);
			__builtin_prefetch(next.data + 63);
		}
		return &pending[head++];
	}
	unsigned pending_count() const
	{
		return count - head;
	}

	/*
	 * Waits up to timeout_ns for at least one packet. None: there are some.
	 * Exception: a Python error is set. GIL held on entry and exit, released in
	 * between. With a sink the packets (pending ones first, at most max) go
	 * there before the turn is given up, and *taken says how many.
	 */
	End refill(int64_t timeout_ns, PacketSink *sink = nullptr, unsigned max = BATCH,
		   unsigned *taken = nullptr);

	/*
	 * Runs f(ring) in a turn of its own, GIL released. Returns what f returns,
	 * or -EBADF if the handle is closed. What the receiver had fetched and not
	 * handed out stays pending.
	 */
	template <class F> int exclusive(F f)
	{
		int ret = -EBADF;
		enter();
		Py_BEGIN_ALLOW_THREADS;
		take_turn(false);
		if (ring != nullptr)
			ret = f(ring);
		give_turn();
		Py_END_ALLOW_THREADS;
		return ret;
	}

	/*
	 * exclusive() for a change of filter or direction: pending packets that
	 * are refused from now on are gone when this returns.
	 */
	template <class F> int change_filter(F f)
	{
		int ret = -EBADF;
		enter();
		Py_BEGIN_ALLOW_THREADS;
		take_turn(false);
		if (ring != nullptr)
			ret = f(ring);
		Py_BLOCK_THREADS;
		if (ret >= 0 && !is_closed) {
			filters++;
			count = head + refilter(pending + head, count - head);
		}
		Py_UNBLOCK_THREADS;
		give_turn();
		Py_END_ALLOW_THREADS;
		return ret;
	}

	/*
	 * Everything received from here on goes to a second sink too, before it is
	 * handed out; nullptr: no more. Its first error ends that, and comes up
	 * once what was received is handed out.
	 */
	int set_tee(std::shared_ptr<PacketSink> sink);

	/* Packets handed out so far came with this number's receive call or an earlier one. */
	uint64_t generation() const
	{
		return receives.load(std::memory_order_relaxed);
	}
	/* What keeps ring memory mapped, also after close(). GIL. */
	std::shared_ptr<OpenRing> pin() const
	{
		return open;
	}

	/* Ends the wait under way, or the next one, as Broken; any thread. */
	void breakloop();
	/* Idempotent; a waiting reader comes back with Closed. */
	void close();
	bool closed() const
	{
		return is_closed;
	}

      private:
	void enter();
	void take_turn(bool as_reader);
	void give_turn();
	void kick();
	int receive(int64_t timeout_ns, PacketSink *sink, unsigned max);
	int pass_on(pfring_packet *to, int n, PacketSink *sink);
	bool undisturbed();
	unsigned refilter(pfring_packet *packets, unsigned n)
	{
		return n > 0 ? pfring_refilter(ring, packets, n) : 0;
	}
	int hand_over(PacketSink *sink, unsigned first, unsigned n);

	/* GIL. */
	unsigned head = 0, count = 0;
	bool is_closed = false;
	bool reading = false;
	unsigned filters = 0; /* changes of the filter so far */
	ForkGuard guard;
	std::atomic<bool> broken{false}; /* also read without the GIL */

	/* The turn. */
	struct Turn {
		std::mutex m;
		std::condition_variable cv;
		bool held = false;
		bool by_reader = false;
		unsigned waiting = 0; /* threads that are not the reader; they go first */
	} turn;
	pfring *ring; /* nullptr once closed; changed under turn.m by who has the turn */
	std::shared_ptr<OpenRing> open; /* GIL; nullptr once closed */
	std::shared_ptr<PacketSink> tee;
	int tee_error = 0; /* GIL, once the receive call is over */
	std::string tee_why;
	std::atomic<uint64_t> receives{0};
	/* What went wrong behind packets that were handed over; GIL, once the receive call is over.
	 */
	int late_error = 0;
	std::string late_why;

	pfring_packet pending[BATCH];
};

#endif /* PFRING_PY_HANDLE_H */
