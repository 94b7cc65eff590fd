/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork_guard.h - which process reads a ring after a fork.
 *
 * Ring memory and socket are shared by parent and child, and two readers of
 * one ring tear it apart. Neither "the parent" nor "the child" is the right
 * answer for all (a daemon captures in the child, a worker pool in the
 * parent), so whoever reads first after a fork keeps the ring and the other
 * process gets an error. The owner is one word in memory shared over fork.
 */
#ifndef PFRING_PY_FORK_GUARD_H
#define PFRING_PY_FORK_GUARD_H

#include <sys/types.h>

#include <atomic>
#include <cstdint>

class ForkGuard
{
      public:
	ForkGuard();
	~ForkGuard();
	ForkGuard(const ForkGuard &) = delete;
	ForkGuard &operator=(const ForkGuard &) = delete;

	/* True until the first look() after a fork; cheap enough for every batch. */
	bool forked() const
	{
		return seen != generation.load(std::memory_order_relaxed);
	}
	/* Acknowledges the fork. True in the child: locks of the parent's threads must be reset. */
	bool look();
	/* The calling process is about to read. 0, or the pid of the process that owns the ring. */
	pid_t claim();

      private:
	static std::atomic<uint32_t> generation; /* forks in this process's ancestry */
	std::atomic<uint64_t> *owner;		 /* generation << 32 | pid; MAP_SHARED */
	uint32_t seen;
	uint32_t claimed;
	pid_t pid;
};

#endif /* PFRING_PY_FORK_GUARD_H */
