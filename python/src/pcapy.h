/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy.h - the objects behind pfring.pcapy, shared by the pcapy_*.cpp files.
 *
 * They are raw C-API types, not pybind11 classes: they are made and called once
 * per packet, and must look exactly like pcapy's own. All fields are guarded by
 * the GIL, except what lies in the ring: libpfring serves one thread at a time,
 * so whoever calls it on a Reader's behalf also holds Reader.rx. Order: GIL,
 * then rx without blocking; or rx, then GIL. Nobody waits for rx holding the GIL.
 */
#ifndef PFRING_PY_PCAPY_H
#define PFRING_PY_PCAPY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <linux/filter.h>
#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "fork_guard.h"
#include "pfring.h"

/* pcap.h's codes, which set_*() and activate() return as they are. */
enum pcapy_code {
	PCAPY_ERROR = -1,
	PCAPY_NOT_ACTIVATED = -3,
	PCAPY_ACTIVATED = -4,
	PCAPY_NO_SUCH_DEVICE = -5,
	PCAPY_RFMON_NOTSUP = -6,
	PCAPY_PERM_DENIED = -8,
	PCAPY_IFACE_NOT_UP = -9,
};

enum class Source : uint8_t { unactivated, live, file, closed };

constexpr unsigned kHeld = 256;	 /* packets of one batch */
constexpr unsigned kClasses = 6; /* the most that a profile of loop_filtered() tells apart */
constexpr int kSliceMs = 250;	 /* longest sleep: a signal just before it is noticed then */

/*
 * The batch in hand. raw is as libpfring gave it. view is what a filter left of
 * its tail: next and end point there then. It keeps the whole batch because a
 * filter set now decides on all packets behind the last one seen, also on those
 * that the filter before it refused.
 */
struct Held {
	struct pfring_packet raw[kHeld];
	struct pfring_packet view[kHeld];
	uint8_t place[kHeld]; /* of each in view: its index in raw */
	unsigned raw_end;     /* how many there are in raw */
	unsigned view_start;  /* where in raw the view begins */
	bool viewing;
};

/*
 * The filter of a capture file. The ring's own would look ahead by a batch; here
 * it must count from the packet after the last one seen, as libpcap's does.
 */
struct FileFilter {
	struct sock_filter *insns;
	unsigned len; /* 0: none */
};

struct Reader {
	PyObject_HEAD

		/* The packet's path: packets [next, end) are fetched and not seen by the user yet.
		 */
		struct pfring_packet *next,
		*end;
	struct Held *held;
	pfring *ring;	  /* NULL unless live or file */
	ForkGuard *guard; /* as ring */
	bool unclaimed;	  /* there was a fork, and this process has not read since */
	pid_t owner;	  /* the process that has */
	Source source;
	bool nonblock;
	bool selecting; /* the user waits on getfd(): what is seen must be released at once */
	bool queued;	/* packets may be queued that an older filter took; with rx */
	int pending;	/* error of a fetch whose call had packets to give; the next one's */
	unsigned users; /* calls under way; the last one frees a closed ring */
	FileFilter filter;
	unsigned wanting; /* threads that wait to change something: let them by */
	pthread_mutex_t rx;

	/* Settings; fixed by activation. */
	char *device; /* or the path of a capture file */
	int snaplen, promisc, timeout_ms, buffer_bytes, rfmon;
	uint32_t net, mask; /* network order */
	char pending_why[256];
	int file_fd; /* getfd() of a capture file, once asked for; or -1 */

	/* loop_filtered(): admitted, dropped, then one per class. Written by the loop only. */
	uint64_t counts[2 + kClasses];
	int profile;
};

struct Pkthdr {
	PyObject_HEAD uint64_t ts_ns;
	uint32_t caplen, len;
};

/* What a fetch brought. */
enum class Got : uint8_t { packets, nothing, end, closed, error };

/*
 * Looks at each batch without the GIL, before Python does. want() is the most
 * packets it can take now (0: it has enough); swallow() deals with packets from
 * the front, up to the first that Python must see, and returns how many.
 */
struct Sieve {
	virtual unsigned want() = 0;
	virtual unsigned swallow(const struct pfring_packet *packets, unsigned n) = 0;

      protected:
	~Sieve() = default;
};

/* A call on a Reader that gives up the GIL or runs the user's code. */
class ReaderUse
{
      public:
	explicit ReaderUse(Reader *reader);
	~ReaderUse();
	ReaderUse(const ReaderUse &) = delete;
	ReaderUse &operator=(const ReaderUse &) = delete;

      private:
	Reader *reader_;
};

/* Reader.rx, for a call that changes something; a thread that waits for packets lets it by. */
class ReaderLock
{
      public:
	explicit ReaderLock(Reader *reader);
	~ReaderLock();
	ReaderLock(const ReaderLock &) = delete;
	ReaderLock &operator=(const ReaderLock &) = delete;
	explicit operator bool() const
	{
		return held_;
	} /* false: a Python error is set */

      private:
	Reader *reader_;
	bool held_ = false;
};

extern PyObject *pcapy_error, *pcapy_bpf_error;

/*
 * Static types, as pcapy's are: they cannot be changed, subclassed or called,
 * and their module is builtins. Each file fills in its own, once.
 */
extern PyTypeObject pcapy_reader_type, pcapy_pkthdr_type, pcapy_dumper_type, pcapy_bpf_type;
bool pcapy_ready_reader();
bool pcapy_ready_pkthdr();
bool pcapy_ready_dumper();
bool pcapy_ready_bpf();
PyObject *pcapy_module();

/* pcapy_pkthdr.cpp */
PyObject *pcapy_pkthdr_new(const struct pfring_packet *packet);

/* pcapy_dumper.cpp, pcapy_bpf.cpp */
PyObject *pcapy_dumper_open(const char *path, int link_type, uint32_t snaplen);
PyObject *pcapy_bpf_compile(int link_type, int snaplen, const char *expression, int optimize,
			    uint32_t netmask, PyObject *error, const char *text);

/* pcapy_reader.cpp */
PyObject *pcapy_reader_new(const char *device);
int pcapy_dlt(int link_type);
/* True if the Reader can be used; otherwise sets the error that every method raises. */
bool pcapy_open(const Reader *reader);
bool pcapy_activated(const Reader *reader);

/* pcapy_open.cpp */
int pcapy_activate(Reader *reader, std::string *why);
PyObject *pcapy_open_live(PyObject *self, PyObject *args);
PyObject *pcapy_open_offline(PyObject *self, PyObject *args);
PyObject *pcapy_create(PyObject *self, PyObject *args);
PyObject *pcapy_findalldevs(PyObject *self, PyObject *args);
PyObject *pcapy_lookupdev(PyObject *self, PyObject *args);
bool pcapy_start(Reader *reader, pfring *ring, Source source);

/*
 * pcapy_held.cpp: the batch in hand. A packet of it may be handed out only if
 * pcapy_has(): after a fork the ring's memory belongs to whoever reads first.
 */
void pcapy_forked(Reader *reader);
bool pcapy_claim(Reader *reader);
static inline bool pcapy_has(Reader *reader)
{
	return reader->next < reader->end &&
	       ((!reader->guard->forked() && !reader->unclaimed) || pcapy_claim(reader));
}
struct Window {
	struct pfring_packet *next, *end;
};
/* n packets have come into raw: what the filter leaves of them. */
Window pcapy_hold(Reader *reader, unsigned n);
/* Puts the filter and direction in force now on what the user has not seen. Holding rx. */
void pcapy_refilter(Reader *reader);

/* pcapy_loop.cpp: reading. */
Got pcapy_fetch(Reader *reader, bool wait, Sieve *sieve = nullptr);
/* After a call has seen packets: gives their memory back if the user select()s. */
void pcapy_tidy(Reader *reader);
PyObject *pcapy_next(PyObject *self, PyObject *unused);
PyObject *pcapy_loop(PyObject *self, PyObject *args);
PyObject *pcapy_dispatch(PyObject *self, PyObject *args);
PyObject *pcapy_next_batch(PyObject *self, PyObject *args);

/* pcapy_flow.cpp: the loops that classify. */
PyObject *pcapy_loop_filtered(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *pcapy_loop_to_buffer(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *pcapy_filtered_stats(PyObject *self, PyObject *unused);

static inline Reader *as_reader(PyObject *object)
{
	return reinterpret_cast<Reader *>(object);
}

#endif /* PFRING_PY_PCAPY_H */
