/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * batch_store.h - the memory of batches: columns, and what fills them.
 *
 * A store is filled by one thread without the GIL (it is a PacketSink) and
 * does not change afterwards. Columns that Python looks at hold the store, so
 * an array outlives its batch, and the batch its ring.
 */
#ifndef PFRING_PY_BATCH_STORE_H
#define PFRING_PY_BATCH_STORE_H

#include <cstddef>
#include <memory>
#include <vector>

#include "handle.h"
#include "pages.h"

/* Columns for a number of packets known beforehand, all in one piece of memory. */
class Columns
{
      public:
	/* Adds a column of elements of this size; before allocate(). */
	template <class T> void add(T *&column, size_t elements)
	{
		sizes.push_back({reinterpret_cast<void **>(&column), elements * sizeof(T)});
	}
	void allocate();

	std::shared_ptr<Pages> memory; /* may outlive this, for who uses a column */

      private:
	struct Size {
		void **column;
		size_t bytes;
	};
	std::vector<Size> sizes;
};

/* Packets copied out of a ring, one behind the other in data. */
class PacketStore : public PacketSink
{
      public:
	/* hint: bytes of data to have room for. */
	PacketStore(size_t capacity, size_t hint, bool ethernet);

	int take(const pfring_packet *packets, unsigned n) override;
	bool more() const override
	{
		return n < capacity;
	}
	/* What the columns lie in; data lies elsewhere. */
	std::shared_ptr<Pages> columns_memory() const
	{
		return columns.memory;
	}

	size_t n = 0;
	const size_t capacity;
	uint64_t *ts_ns;
	int64_t *offset; /* n + 1 of them */
	uint32_t *len, *caplen;
	int32_t *ifindex;
	uint16_t *vlan;
	uint8_t *direction; /* 0 in, 1 out */
	int16_t *queue;	    /* -1: not known */
	unsigned char *data = nullptr;
	size_t used = 0;

      private:
	bool make_room(size_t bytes);

	Columns columns;
	std::unique_ptr<Pages> memory; /* of data */
	const bool ethernet;
};

/*
 * Packets where they lie in ring memory. Only their descriptors are written when
 * they come: to count packets, or to look at some, columns are not needed.
 */
class ViewStore : public PacketSink
{
      public:
	explicit ViewStore(size_t capacity);

	pfring_packet *room(unsigned *max) override;
	int take(const pfring_packet *packets, unsigned n) override;

	/*
	 * The columns, as long as the packets are in the ring; their data points into
	 * it if that is one piece, else it is copied and *copied is set.
	 */
	std::shared_ptr<PacketStore> columns(bool ethernet, bool *copied) const;

	size_t n = 0;

      private:
	bool one_piece() const;
	const pfring_packet *packets() const;

	const size_t capacity;
	Pages descriptors;
};

/* The columns of pfring_flows, and what a packet's descriptor adds. */
class FlowStore : public PacketSink
{
      public:
	explicit FlowStore(size_t capacity);
	/* Parses what a PacketStore holds, and shares its columns. */
	explicit FlowStore(const PacketStore &packets);

	/* Parses without keeping a byte. */
	int take(const pfring_packet *packets, unsigned n) override;
	bool more() const override
	{
		return n < capacity;
	}

	size_t n = 0, n_ipv6 = 0;
	const size_t capacity;
	uint64_t *ts_ns;
	uint32_t *len, *caplen;
	int16_t *queue;
	pfring_flows flows = {};

      private:
	void allocate();

	Columns columns;
	std::shared_ptr<Pages> shared; /* what ts_ns, len, caplen and queue lie in, if not ours */
	Pages ipv6;
};

/* VID of the outer tag of a packet, 0 if it has none. */
uint16_t vlan_of(const pfring_packet *packet, bool ethernet);

#endif /* PFRING_PY_BATCH_STORE_H */
