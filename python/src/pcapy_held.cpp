/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_held.cpp - the batch that a Reader has in hand (struct Held).
 *
 * Called holding Reader.rx. A fetch fills it without the GIL: until the window
 * is put into the Reader, which is done with the GIL, nobody looks at it.
 */
#include "pcapy.h"

#include <cstring>

namespace
{

/* The index in raw of the first packet behind the last one that the user saw. */
unsigned unseen(const Reader *reader)
{
	const Held *held = reader->held;

	if (!held->viewing)
		return (unsigned)(reader->next - held->raw);
	return reader->next == held->view ? held->view_start
					  : held->place[reader->next - 1 - held->view] + 1u;
}

/* Makes the view: what the filter leaves of raw from start on. */
Window look_at(Reader *reader, unsigned start)
{
	Held *held = reader->held;
	unsigned n = held->raw_end - start;
	int kept = (int)n;

	memcpy(held->view, held->raw + start, n * sizeof(held->view[0]));
	if (reader->source == Source::live)
		kept = (int)pfring_refilter(reader->ring, held->view, n);
	else if (reader->filter.len > 0)
		kept = pfring_filter_batch(reader->filter.insns, reader->filter.len, held->view, n);
	/* Order is kept, and no two packets of a batch lie at the same address. */
	for (unsigned i = 0, at = start; (int)i < kept; i++, at++) {
		while (held->raw[at].data != held->view[i].data)
			at++;
		held->place[i] = (uint8_t)at;
	}
	held->viewing = true;
	held->view_start = start;
	return {held->view, held->view + kept};
}

} // namespace

Window pcapy_hold(Reader *reader, unsigned n)
{
	Held *held = reader->held;

	held->raw_end = n;
	held->viewing = false;
	if (reader->filter.len > 0)
		return look_at(reader, 0);
	return {held->raw, held->raw + n};
}

void pcapy_refilter(Reader *reader)
{
	reader->queued = reader->source != Source::file;
	if (reader->held->raw_end == 0)
		return;
	Window window = look_at(reader, unseen(reader));
	reader->next = window.next;
	reader->end = window.end;
}

/* In the child, threads that waited for the Reader are gone, and whatever they held with them. */
void pcapy_forked(Reader *reader)
{
	if (reader->guard->look()) {
		pthread_mutex_init(&reader->rx, nullptr);
		reader->wanting = 0;
	}
	reader->unclaimed = true;
}

/* True if this process may read: nobody else has since the last fork. */
bool pcapy_claim(Reader *reader)
{
	if (reader->guard->forked())
		pcapy_forked(reader);
	if (!reader->unclaimed)
		return true;
	reader->owner = reader->guard->claim();
	if (reader->owner != 0) {
		reader->next = reader->end;
		return false;
	}
	reader->unclaimed = false;
	return true;
}
