/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.cpp - waiting, turns and signals of a handle (see handle.h for the
 * locks).
 *
 * A wait in libpfring ends with -EINTR for three reasons: a signal, another
 * thread that wants its turn, and Ring.breakloop(). All three leave a mark of
 * their own, so an -EINTR without a mark is just another round.
 */
#include "handle.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <string>

#include "errors.h"

/*
 * Longest wait without looking for a signal that arrived just before it: of a few microseconds in
 * which that can be. Each look costs an idle program as much as a thousand packets.
 */
static constexpr int SIGNAL_MS = 1000;
/* Longest wait of which a tee hears nothing: it has something to write out in time. */
static constexpr int IDLE_MS = 200;

using Clock = std::chrono::steady_clock;

Handle::Handle(pfring *ring) : ring(ring), open(std::make_shared<OpenRing>(ring))
{
}

Handle::~Handle() = default;

/* Before every call: after a fork, the child forgets the turns of threads it does not have. */
void Handle::enter()
{
	if (!guard.forked() || !guard.look())
		return;
	new (&turn) Turn;
	reading = false;
}

void Handle::take_turn(bool as_reader)
{
	std::unique_lock<std::mutex> lock(turn.m);
	if (as_reader) {
		turn.cv.wait(lock, [this] { return !turn.held && turn.waiting == 0; });
	} else {
		turn.waiting++;
		if (turn.held && turn.by_reader)
			kick();
		turn.cv.wait(lock, [this] { return !turn.held; });
		turn.waiting--;
	}
	turn.held = true;
	turn.by_reader = as_reader;
}

void Handle::give_turn()
{
	{
		std::lock_guard<std::mutex> lock(turn.m);
		turn.held = false;
	}
	turn.cv.notify_all();
}

/* Under turn.m, which keeps ring alive. The flag stays up if the wait has not begun yet. */
void Handle::kick()
{
	if (ring != nullptr)
		pfring_breakloop(ring);
}

void Handle::breakloop()
{
	enter();
	broken = true;
	Py_BEGIN_ALLOW_THREADS;
	{
		std::lock_guard<std::mutex> lock(turn.m);
		if (turn.held && turn.by_reader)
			kick();
	}
	Py_END_ALLOW_THREADS;
}

void Handle::close()
{
	enter();
	if (is_closed)
		return;
	is_closed = true;
	head = count = 0; /* they point into memory that is about to go */
	std::shared_ptr<OpenRing> last = std::move(open);
	open.reset();
	Py_BEGIN_ALLOW_THREADS;
	take_turn(false);
	{
		std::lock_guard<std::mutex> lock(turn.m);
		ring = nullptr;
	}
	/* Views of its memory are still around: the last of them closes it. */
	if (last.use_count() > 1)
		pfring_disable_ring(last->ring);
	give_turn();
	last.reset();
	Py_END_ALLOW_THREADS;
}

/* One wait, in the reader's turn and without the GIL. */
int Handle::receive(int64_t timeout_ns, PacketSink *sink, unsigned max)
{
	unsigned room = max;
	pfring_packet *to = sink != nullptr ? sink->room(&room) : nullptr;
	if (to == nullptr) {
		to = pending;
		room = std::min(max, BATCH);
	}
	take_turn(true);
	int64_t ms = tee != nullptr ? IDLE_MS : SIGNAL_MS;
	if (timeout_ns >= 0)
		ms = std::min((timeout_ns + 999999) / 1000000, ms);
	int n = -EBADF;
	if (ring != nullptr && !broken) {
		receives++;
		n = pfring_recv_batch(ring, to, room, (int)ms);
	}
	if (n == 0 && tee != nullptr)
		tee->idle();
	n = pass_on(to, n, sink);
	unsigned total = n > 0 ? (unsigned)n : 0;
	/* What is there already comes in the same turn, and the GIL stays with who has it. */
	while (n > 0 && sink != nullptr && sink->more() && total < max && undisturbed()) {
		receives++;
		n = pfring_recv_batch(ring, to, std::min(room, max - total), 0);
		n = pass_on(to, n, sink);
		total += n > 0 ? (unsigned)n : 0;
	}
	if (total > 0 && n < 0 && n != -EINTR && n != -EBADF && n != -ENODATA) {
		late_error = n;
		late_why = pfring_last_error();
	}
	give_turn();
	return total > 0 ? (int)total : n;
}

/* What was received, to who listens. n, or the sink's error. */
int Handle::pass_on(pfring_packet *to, int n, PacketSink *sink)
{
	if (n > 0 && tee != nullptr) {
		tee_error = tee->take(to, (unsigned)n);
		if (tee_error < 0) {
			tee_why = tee->why();
			tee.reset();
		}
	}
	if (n > 0 && sink != nullptr) {
		int err = sink->take(to, (unsigned)n);
		n = err < 0 ? err : n;
	}
	return n;
}

/* In the reader's turn: whether nobody else waits for one, and nothing is to be told. */
bool Handle::undisturbed()
{
	std::lock_guard<std::mutex> lock(turn.m);
	return turn.waiting == 0 && !broken && tee_error >= 0;
}

int Handle::set_tee(std::shared_ptr<PacketSink> sink)
{
	return exclusive([&](pfring *) {
		tee.swap(sink);
		tee_error = 0;
		return 0;
	});
}

/* Pending packets to a sink: in the reader's turn, so that nobody closes the ring meanwhile. */
int Handle::hand_over(PacketSink *sink, unsigned first, unsigned n)
{
	take_turn(true);
	int err = ring != nullptr ? sink->take(pending + first, n) : -EBADF;
	give_turn();
	return err < 0 ? err : (int)n;
}

Handle::End Handle::refill(int64_t timeout_ns, PacketSink *sink, unsigned max, unsigned *taken)
{
	enter();
	if (reading) {
		set_error_text(-EBUSY,
			       "another thread is reading from this ring; open one ring per "
			       "thread (a cluster shares a device's packets among them)",
			       "InUse");
		return End::Exception;
	}
	if (pid_t owner = guard.claim()) {
		set_error_text(-EBUSY,
			       "process " + std::to_string(owner) +
				       " reads from this ring since the fork; open another "
				       "one in this process",
			       "InUse");
		return End::Exception;
	}

	auto start = Clock::now();
	int64_t left = timeout_ns;
	reading = true;
	End end = End::None;
	for (;;) {
		if (is_closed) {
			end = End::Closed;
			break;
		}
		if (broken.exchange(false)) {
			end = End::Broken;
			break;
		}
		if (late_error < 0 && head == count) {
			set_error_text(late_error, late_why);
			late_error = 0;
			end = End::Exception;
			break;
		}
		if (tee_error < 0 && head == count) {
			set_error_text(tee_error, tee_why,
				       tee_error == -EBADF ? "Closed" : nullptr);
			tee_error = 0;
			end = End::Exception;
			break;
		}
		int n;
		unsigned filter = filters;
		unsigned first = head;
		unsigned ready = sink != nullptr ? std::min(max, count - head) : 0;
		head += ready; /* now, under the GIL: they are ours */
		Py_BEGIN_ALLOW_THREADS;
		n = ready > 0 ? hand_over(sink, first, ready) : receive(left, sink, max);
		Py_END_ALLOW_THREADS;
		if (is_closed)
			continue;
		/* The filter changed between the receiver's turn and now, under the GIL. */
		if (n > 0 && sink == nullptr && filter != filters) {
			Py_BEGIN_ALLOW_THREADS;
			take_turn(true);
			n = ring != nullptr ? (int)refilter(pending, (unsigned)n) : 0;
			give_turn();
			Py_END_ALLOW_THREADS;
			if (is_closed)
				continue;
		}
		if (n > 0) {
			if (sink == nullptr) {
				head = 0;
				count = (unsigned)n;
			} else {
				*taken = (unsigned)n;
			}
			break;
		}
		if (n == -ENODATA) {
			end = End::Eof;
			break;
		}
		if (n < 0 && n != -EINTR && n != -EBADF) {
			set_error(n);
			end = End::Exception;
			break;
		}
		/* Without a wait Python itself gets to the signals soon enough. */
		if (timeout_ns != 0 && PyErr_CheckSignals() < 0) {
			end = End::Exception;
			break;
		}
		if (timeout_ns >= 0) {
			left = timeout_ns - (Clock::now() - start) / std::chrono::nanoseconds(1);
			if (left <= 0 && n == 0) {
				end = End::Timeout;
				break;
			}
			left = std::max<int64_t>(left, 0);
		}
	}
	reading = false;
	return end;
}
