/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pages.cpp - keeps the memory that batches gave back, last in first out, and
 * no more of it than KEPT bytes (see pages.h).
 *
 * One lock, only ever tried: whoever does not get it (another thread has it, or
 * had it when this process was forked) asks the kernel instead.
 */
#include "pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

namespace
{

constexpr size_t SMALLEST = 4096, KEPT = 32 << 20;
/* From here on in pages of this size: twenty columns side by side need more small ones at a
 * time than the processor knows the places of. */
constexpr size_t LARGE = 2 << 20;
constexpr unsigned SLOTS = 16;

struct Block {
	char *data;
	size_t bytes;
	bool zero;
};

std::mutex lock;
Block kept[SLOTS];
unsigned count;
size_t total;

/* Few different sizes, so that a batch that is a little larger finds one too: 4 to an octave. */
size_t rounded(size_t bytes)
{
	size_t step = SMALLEST;

	while (bytes > step * 8)
		step *= 2;
	return bytes ? (bytes + step - 1) / step * step : SMALLEST;
}

void unmap(const Block &b)
{
	munmap(b.data, b.bytes);
}

/* Large ones begin where a large page does. */
char *map(size_t bytes)
{
	size_t spare = bytes < LARGE ? 0 : LARGE;
	void *at = mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		throw std::bad_alloc();
	if (spare == 0)
		return (char *)at;
	size_t before = -(uintptr_t)at % LARGE;
	if (before > 0)
		munmap(at, before);
	char *data = (char *)at + before;
	if (spare > before)
		munmap(data + bytes, spare - before);
	madvise(data, bytes, MADV_HUGEPAGE); /* only a wish */
	return data;
}

/* The newest that fits exactly, which is the one that caches know. */
char *take(size_t bytes, bool zero)
{
	std::unique_lock<std::mutex> held(lock, std::try_to_lock);

	if (!held)
		return nullptr;
	for (unsigned i = count; i-- > 0;) {
		if (kept[i].bytes != bytes || kept[i].zero != zero)
			continue;
		char *data = kept[i].data;
		for (; i + 1 < count; i++)
			kept[i] = kept[i + 1];
		count--;
		total -= bytes;
		return data;
	}
	return nullptr;
}

/* The oldest make room. */
void give(Block b)
{
	std::unique_lock<std::mutex> held(lock, std::try_to_lock);

	if (!held || b.bytes > KEPT / 2) {
		unmap(b);
		return;
	}
	while (count == SLOTS || total + b.bytes > KEPT) {
		unmap(kept[0]);
		total -= kept[0].bytes;
		for (unsigned i = 1; i < count; i++)
			kept[i - 1] = kept[i];
		count--;
	}
	kept[count++] = b;
	total += b.bytes;
}

} // namespace

Pages::Pages(size_t wanted, bool zero) : bytes(rounded(wanted)), zero(zero)
{
	data = take(bytes, zero);
	if (data != nullptr)
		return;
	data = map(bytes);
}

Pages::~Pages()
{
	if (zero && soiled)
		unmap({data, bytes, zero});
	else
		give({data, bytes, zero});
}
