/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork_guard.cpp - counts forks and hands a ring to one process (see
 * fork_guard.h).
 *
 * The generation is bumped on both sides of every fork, so parent and child
 * agree on its number; the owner word is taken by compare-and-swap, once per
 * generation. All calls hold the GIL.
 */
#include "fork_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>
#include <new>

std::atomic<uint32_t> ForkGuard::generation{0};

static uint64_t word(uint32_t generation, pid_t pid)
{
	return (uint64_t)generation << 32 | (uint32_t)pid;
}

ForkGuard::ForkGuard()
{
	static std::once_flag once;
	std::call_once(once, [] {
		pthread_atfork(
			nullptr, [] { generation++; }, [] { generation++; });
	});
	void *page = mmap(nullptr, sizeof(*owner), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		throw std::bad_alloc();
	seen = claimed = generation.load(std::memory_order_relaxed);
	pid = getpid();
	owner = new (page) std::atomic<uint64_t>(word(seen, pid));
}

ForkGuard::~ForkGuard()
{
	munmap((void *)owner, sizeof(*owner));
}

bool ForkGuard::look()
{
	pid_t before = pid;

	seen = generation.load(std::memory_order_relaxed);
	pid = getpid();
	return pid != before;
}

pid_t ForkGuard::claim()
{
	if (claimed == seen)
		return 0;
	uint64_t now = owner->load(std::memory_order_relaxed);
	while ((uint32_t)(now >> 32) < seen) {
		if (owner->compare_exchange_weak(now, word(seen, pid), std::memory_order_relaxed)) {
			now = word(seen, pid);
			break;
		}
	}
	if ((pid_t)(uint32_t)now != pid)
		return (pid_t)(uint32_t)now;
	claimed = seen;
	return 0;
}
