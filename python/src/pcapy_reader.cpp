/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_reader.cpp - pcapy's Reader: its life, and every method that does not read.
 *
 * A Reader begins unactivated (create()), becomes live or a file once, and
 * ends closed; closing is allowed at any time, also from a callback or another
 * thread while a call is under way: the last call to leave frees the ring.
 */
#include "pcapy.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace
{

constexpr unsigned kMaxInsns =
	65536; /* a jump's reach; the kernel's limit does not hold for files */

void free_ring(Reader *reader)
{
	if (reader->ring != nullptr)
		pfring_close(reader->ring);
	reader->ring = nullptr;
	PyMem_Free(reader->held);
	delete reader->guard;
	reader->guard = nullptr;
	reader->held = nullptr;
	reader->next = reader->end = nullptr;
	PyMem_Free(reader->filter.insns);
	reader->filter = {};
	if (reader->file_fd >= 0)
		close(reader->file_fd);
	reader->file_fd = -1;
}

void close_reader(Reader *reader)
{
	if (reader->source == Source::closed)
		return;
	reader->source = Source::closed;
	reader->next = reader->end;
	if (reader->users == 0)
		free_ring(reader);
	else if (reader->ring != nullptr)
		pfring_shutdown(reader->ring);
}

PyObject *not_activated(const char *text = "This handle hasn't been activated yet")
{
	PyErr_SetString(pcapy_error, text);
	return nullptr;
}

PyObject *dotted(uint32_t address)
{
	const auto *byte = reinterpret_cast<const uint8_t *>(&address);

	return PyUnicode_FromFormat("%d.%d.%d.%d", byte[0], byte[1], byte[2], byte[3]);
}

PyObject *getnet(PyObject *self, PyObject *)
{
	return pcapy_open(as_reader(self)) ? dotted(as_reader(self)->net) : nullptr;
}

PyObject *getmask(PyObject *self, PyObject *)
{
	return pcapy_open(as_reader(self)) ? dotted(as_reader(self)->mask) : nullptr;
}

PyObject *datalink(PyObject *self, PyObject *)
{
	const Reader *reader = as_reader(self);

	if (!pcapy_open(reader))
		return nullptr;
	if (reader->source == Source::unactivated)
		return PyLong_FromLong(PCAPY_NOT_ACTIVATED);
	return PyLong_FromLong(pcapy_dlt(pfring_get_link_type(reader->ring)));
}

/* 0, or negative with pfring_last_cause() set and the filter in force unchanged. */
int set_file_filter(Reader *reader, const char *expression)
{
	struct sock_filter *insns;
	int len;

	/* Tried on the ring first: it knows what libpcap refuses for a file. */
	len = pfring_set_bpf_filter(reader->ring, expression);
	if (len < 0)
		return len;
	pfring_remove_bpf_filter(reader->ring);
	std::vector<struct sock_filter> program(kMaxInsns);
	len = pfring_compile_filter(pfring_get_link_type(reader->ring), (uint32_t)reader->snaplen,
				    expression, 1, 0, program.data(), kMaxInsns);
	if (len < 0)
		return len;
	insns = static_cast<struct sock_filter *>(PyMem_Malloc((size_t)len * sizeof(*insns)));
	if (insns == nullptr)
		return -ENOMEM;
	memcpy(insns, program.data(), (size_t)len * sizeof(*insns));
	PyMem_Free(reader->filter.insns);
	reader->filter = {insns, (unsigned)len};
	return 0;
}

PyObject *setfilter(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	const char *expression;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "s:setfilter", &expression))
		return nullptr;
	if (reader->source == Source::unactivated)
		return not_activated("not-yet-activated pcap_t passed to pcap_compile");

	ReaderUse use(reader);
	ReaderLock lock(reader);
	if (!lock)
		return nullptr;
	int err = reader->source == Source::file ? set_file_filter(reader, expression)
						 : pfring_set_bpf_filter(reader->ring, expression);
	if (err < 0) {
		PyErr_SetString(pcapy_error, pfring_last_cause());
		return nullptr;
	}
	pcapy_refilter(reader);
	Py_RETURN_NONE;
}

PyObject *setdirection(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	int direction;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "i", &direction))
		return nullptr;
	/* pcapy accepts this and forgets it. */
	if (reader->source == Source::unactivated)
		Py_RETURN_NONE;

	ReaderUse use(reader);
	ReaderLock lock(reader);
	if (!lock)
		return nullptr;
	if (reader->source == Source::file || direction < 0 || direction > tx_only_direction ||
	    pfring_set_direction(reader->ring, static_cast<packet_direction>(direction)) < 0) {
		PyErr_SetString(pcapy_error, "Failed setting direction");
		return nullptr;
	}
	pcapy_refilter(reader);
	Py_RETURN_NONE;
}

PyObject *getnonblock(PyObject *self, PyObject *)
{
	const Reader *reader = as_reader(self);

	if (!pcapy_open(reader))
		return nullptr;
	if (reader->source == Source::unactivated)
		return PyLong_FromLong(PCAPY_NOT_ACTIVATED);
	return PyLong_FromLong(reader->nonblock);
}

PyObject *setnonblock(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	int state;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "i", &state))
		return nullptr;
	if (reader->source == Source::file) {
		PyErr_SetString(pcapy_error, "Savefiles cannot be put into non-blocking mode");
		return nullptr;
	}
	reader->nonblock = state != 0;
	Py_RETURN_NONE;
}

PyObject *dump_open(PyObject *self, PyObject *args)
{
	const Reader *reader = as_reader(self);
	const char *path;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "s", &path))
		return nullptr;
	if (reader->source == Source::unactivated) {
		PyErr_Format(pcapy_error, "%s: not-yet-activated pcap_t passed to pcap_dump_open",
			     path);
		return nullptr;
	}
	return pcapy_dumper_open(path, pfring_get_link_type(reader->ring),
				 (uint32_t)reader->snaplen);
}

PyObject *sendpacket(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	const char *data;
	Py_ssize_t size;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "y#", &data, &size))
		return nullptr;
	if (!pcapy_activated(reader))
		return nullptr;
	if (reader->source == Source::file) {
		PyErr_SetString(pcapy_error, "Sending packets isn't supported on savefiles");
		return nullptr;
	}
	if (!strcmp(reader->device, "any")) {
		PyErr_SetString(pcapy_error,
				"Sending packets isn't supported on the \"any\" device");
		return nullptr;
	}
	int sent = size ? pfring_send(reader->ring, data, (u_int)size, 1) : -EINVAL;
	if (sent < 0) {
		PyErr_Format(pcapy_error, "send: %s", strerror(-sent));
		return nullptr;
	}
	Py_RETURN_NONE;
}

PyObject *stats(PyObject *self, PyObject *)
{
	const Reader *reader = as_reader(self);
	struct pfring_stats64 st = {};

	if (!pcapy_open(reader) || !pcapy_activated(reader))
		return nullptr;
	if (reader->source == Source::file) {
		PyErr_SetString(pcapy_error, "Statistics aren't available from savefiles");
		return nullptr;
	}
	st.sz = sizeof(st);
	if (pfring_stats64(reader->ring, &st) < 0) {
		PyErr_SetString(pcapy_error, pfring_last_error());
		return nullptr;
	}
	/* libpcap counts as received what the kernel's filter passed, whatever became of it. */
	return Py_BuildValue("III", (unsigned)(st.recv + st.drop + st.filtered_user),
			     (unsigned)st.drop, (unsigned)st.ifdrop);
}

PyObject *close_method(PyObject *self, PyObject *)
{
	close_reader(as_reader(self));
	Py_RETURN_NONE;
}

PyObject *enter(PyObject *self, PyObject *)
{
	if (!pcapy_open(as_reader(self)))
		return nullptr;
	Py_INCREF(self);
	return self;
}

/* The set_*() calls differ in their field only. */
template <int Reader::*field> PyObject *set_option(PyObject *self, PyObject *args)
{
	Reader *reader = as_reader(self);
	int value;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTuple(args, "i", &value))
		return nullptr;
	if (reader->source != Source::unactivated)
		return PyLong_FromLong(PCAPY_ACTIVATED);
	reader->*field = value;
	return PyLong_FromLong(0);
}

PyObject *activate(PyObject *self, PyObject *)
{
	Reader *reader = as_reader(self);
	std::string why;
	int code;

	if (!pcapy_open(reader))
		return nullptr;
	if (reader->source != Source::unactivated)
		return PyLong_FromLong(PCAPY_ACTIVATED);
	code = pcapy_activate(reader, &why);
	return PyErr_Occurred() ? nullptr : PyLong_FromLong(code);
}

PyObject *getfd(PyObject *self, PyObject *)
{
	Reader *reader = as_reader(self);

	if (!pcapy_open(reader))
		return nullptr;
	if (reader->source == Source::unactivated)
		return PyLong_FromLong(-1);
	int fd = pfring_get_selectable_fd(reader->ring);
	if (fd < 0 && reader->source == Source::file) {
		/* A file is always ready, and so is this descriptor of it. */
		if (reader->file_fd < 0)
			reader->file_fd = strcmp(reader->device, "-")
						  ? open(reader->device, O_RDONLY | O_CLOEXEC)
						  : dup(STDIN_FILENO);
		fd = reader->file_fd;
	}
	reader->selecting = true;
	return PyLong_FromLong(fd < 0 ? -1 : fd);
}

/* The socket's own option where the ring is an AF_PACKET socket; else pf_ring's clusters. */
int join_fanout(Reader *reader, int group, int type)
{
	int word = (int)(((unsigned)group & 0xffffu) | ((unsigned)type << 16));
	int fd = pfring_get_selectable_fd(reader->ring);

	if (fd >= 0 && setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &word, sizeof(word)) == 0)
		return 0;
	int err = fd < 0 ? ENOTSOCK : errno;
	if (err != ENOTSOCK && err != ENOPROTOOPT)
		return -err;
	if (type == PACKET_FANOUT_HASH)
		return pfring_set_cluster(reader->ring, (u_int)group, cluster_per_flow);
	if (type == PACKET_FANOUT_LB)
		return pfring_set_cluster(reader->ring, (u_int)group, cluster_round_robin);
	return -EINVAL;
}

PyObject *set_fanout(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = {"group_id", "fanout_type", nullptr};
	Reader *reader = as_reader(self);
	int group, type = PACKET_FANOUT_HASH;

	if (!pcapy_open(reader))
		return nullptr;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|i:set_fanout", const_cast<char **>(names),
					 &group, &type))
		return nullptr;
	if (reader->source != Source::live) {
		PyErr_SetString(pcapy_error,
				"no socket fd for this capture (PACKET_FANOUT needs a live "
				"AF_PACKET capture, not an offline pcap)");
		return nullptr;
	}
	int err = join_fanout(reader, group, type);
	if (err < 0) {
		errno = -err;
		return PyErr_SetFromErrno(pcapy_error);
	}
	Py_RETURN_NONE;
}

void reader_dealloc(PyObject *self)
{
	Reader *reader = as_reader(self);
	close_reader(reader);
	pthread_mutex_destroy(&reader->rx);
	free(reader->device);
	PyObject_Free(self);
}

PyCFunction with_keywords(PyCFunctionWithKeywords function)
{
	return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

#define CLASSES                                                                                    \
	"admit_mask=7, addr_set=b'', flow_cutoff=0, dpi_ports=None, tls_ports=None, "              \
	"dns_port=53, l2_offset=14, profile=0)"

PyMethodDef methods[] = {
	{"loop", pcapy_loop, METH_VARARGS,
	 "loop(cnt, callback): callback(header, data) for cnt packets; cnt <= 0: without end"},
	{"loop_filtered", with_keywords(pcapy_loop_filtered), METH_VARARGS | METH_KEYWORDS,
	 "loop_filtered(cnt, cb, " CLASSES " -> (admitted, dropped, per class ...)\n"
	 "cb(header, data, cls) for the classes in admit_mask only; see docs/pcapy.md."},
	{"filtered_stats", pcapy_filtered_stats, METH_NOARGS,
	 "filtered_stats() -> the counters of the loop_filtered() under way, or of the last one"},
	{"loop_to_buffer", with_keywords(pcapy_loop_to_buffer), METH_VARARGS | METH_KEYWORDS,
	 "loop_to_buffer(cnt, writable_buf, " CLASSES
	 " -> (written, dropped, overflow, used, per class ...)\n"
	 "Writes records of [u32 caplen LE][u8 class][data], without the GIL; see docs/pcapy.md."},
	{"next_batch", pcapy_next_batch, METH_VARARGS,
	 "next_batch(max_n) -> (data, records of '=IIII': sec, usec, offset, caplen)"},
	{"dispatch", pcapy_dispatch, METH_VARARGS,
	 "dispatch(cnt, callback) -> how many of the packets that are there were handed over"},
	{"next", pcapy_next, METH_NOARGS,
	 "next() -> (header, data); (None, b'') at the end of a file or without waiting"},
	{"setfilter", setfilter, METH_VARARGS, "setfilter(expression), as in pcap-filter(7)"},
	{"getnet", getnet, METH_VARARGS, "getnet() -> the device's IPv4 network"},
	{"getmask", getmask, METH_VARARGS, "getmask() -> the device's IPv4 netmask"},
	{"datalink", datalink, METH_VARARGS, "datalink() -> the link type, a DLT_ constant"},
	{"getnonblock", getnonblock, METH_VARARGS, "getnonblock() -> 1 if calls do not wait"},
	{"setnonblock", setnonblock, METH_VARARGS, "setnonblock(state): whether calls wait"},
	{"setdirection", setdirection, METH_VARARGS, "setdirection(PCAP_D_...)"},
	{"dump_open", dump_open, METH_VARARGS, "dump_open(path) -> Dumper"},
	{"sendpacket", sendpacket, METH_VARARGS, "sendpacket(data): send a frame as it is"},
	{"stats", stats, METH_NOARGS, "stats() -> (received, dropped, dropped by the interface)"},
	{"close", close_method, METH_NOARGS, "close(): end the capture"},
	{"set_snaplen", set_option<&Reader::snaplen>, METH_VARARGS, "set_snaplen(bytes) -> code"},
	{"set_promisc", set_option<&Reader::promisc>, METH_VARARGS, "set_promisc(bool) -> code"},
	{"set_timeout", set_option<&Reader::timeout_ms>, METH_VARARGS, "set_timeout(ms) -> code"},
	{"set_buffer_size", set_option<&Reader::buffer_bytes>, METH_VARARGS,
	 "set_buffer_size(bytes) -> code"},
	{"activate", activate, METH_NOARGS, "activate() -> 0, or libpcap's code of what failed"},
	{"__enter__", enter, METH_NOARGS, nullptr},
	{"__exit__", close_method, METH_VARARGS, nullptr},
	{"getfd", getfd, METH_VARARGS, "getfd() -> a descriptor to select() on"},
	{"set_fanout", with_keywords(set_fanout), METH_VARARGS | METH_KEYWORDS,
	 "set_fanout(group_id, fanout_type=PACKET_FANOUT_HASH): share the device's packets with "
	 "the other captures of the group"},
	{"set_rfmon", set_option<&Reader::rfmon>, METH_VARARGS, "set_rfmon(bool) -> code"},
	{nullptr, nullptr, 0, nullptr},
};

} // namespace

PyTypeObject pcapy_reader_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

bool pcapy_open(const Reader *reader)
{
	if (reader->source != Source::closed)
		return true;
	PyErr_SetString(PyExc_ValueError, "pcap is closed");
	return false;
}

bool pcapy_activated(const Reader *reader)
{
	if (reader->source != Source::unactivated)
		return true;
	not_activated();
	return false;
}

/* Where a file's link type number and libpcap's DLT_ constant differ (pcap/dlt.h). */
int pcapy_dlt(int link_type)
{
	switch (link_type) {
	case 100:
		return 11; /* ATM_RFC1483 */
	case 101:
		return 12; /* RAW */
	case 102:
		return 15; /* SLIP_BSDOS */
	case 103:
		return 16; /* PPP_BSDOS */
	case 106:
		return 19; /* ATM_CLIP */
	default:
		return link_type;
	}
}

PyObject *pcapy_reader_new(const char *device)
{
	Reader *reader = PyObject_New(Reader, &pcapy_reader_type);

	if (reader == nullptr)
		return nullptr;
	memset(reinterpret_cast<char *>(reader) + offsetof(Reader, next), 0,
	       sizeof(*reader) - offsetof(Reader, next));
	reader->file_fd = -1;
	pthread_mutex_init(&reader->rx, nullptr);
	reader->device = strdup(device);
	if (reader->device == nullptr) {
		Py_DECREF(reader);
		return PyErr_NoMemory();
	}
	return reinterpret_cast<PyObject *>(reader);
}

ReaderUse::ReaderUse(Reader *reader) : reader_(reader)
{
	Py_INCREF(reader_);
	reader_->users++;
	if (reader_->guard != nullptr && reader_->guard->forked())
		pcapy_forked(reader_);
}

ReaderUse::~ReaderUse()
{
	if (--reader_->users == 0 && reader_->source == Source::closed)
		free_ring(reader_);
	Py_DECREF(reader_);
}

ReaderLock::ReaderLock(Reader *reader) : reader_(reader)
{
	if (pthread_mutex_trylock(&reader->rx) != 0) {
		reader->wanting++;
		pfring_breakloop(reader->ring);
		Py_BEGIN_ALLOW_THREADS pthread_mutex_lock(&reader->rx);
		Py_END_ALLOW_THREADS reader->wanting--;
	}
	held_ = pcapy_open(reader);
	if (!held_)
		pthread_mutex_unlock(&reader->rx);
}

ReaderLock::~ReaderLock()
{
	if (held_)
		pthread_mutex_unlock(&reader_->rx);
}

bool pcapy_ready_reader()
{
	PyTypeObject *type = &pcapy_reader_type;

	type->tp_name = "Reader";
	type->tp_basicsize = sizeof(Reader);
	type->tp_dealloc = reader_dealloc;
	type->tp_flags = Py_TPFLAGS_DEFAULT;
	type->tp_methods = methods;
	return PyType_Ready(type) == 0;
}
