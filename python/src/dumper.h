/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dumper.h - pfring.Dumper: a capture file being written.
 *
 * Packets come from rings without passing through Python (Ring.save, on the
 * reader's thread, without the GIL) or as (ts_ns, bytes). One lock, always
 * taken without the GIL, lets several rings write into one file.
 */
#ifndef PFRING_PY_DUMPER_H
#define PFRING_PY_DUMPER_H

#include <mutex>
#include <string>

#include "handle.h"

/* From 'pcap', 'pcap_ns' or 'pcapng'; another name raises ValueError. */
pfring_dump_format dump_format_of(const std::string &name);

class Dumper : public PacketSink
{
      public:
	Dumper(const std::string &path, pfring_dumper *file) : path(path), file(file)
	{
	}
	/* Closes; what could not be written is lost silently, so close() first. */
	~Dumper() override;
	Dumper(const Dumper &) = delete;
	Dumper &operator=(const Dumper &) = delete;

	int take(const pfring_packet *packets, unsigned n) override;
	int flush();
	int close();

	const std::string path;
	std::atomic<uint64_t> written{0};
	std::atomic<bool> closed{false};

      private:
	std::mutex lock;
	pfring_dumper *file; /* nullptr once closed */
};

#endif /* PFRING_PY_DUMPER_H */
