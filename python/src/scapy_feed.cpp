/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_feed.cpp - a Feed takes packets from a Ring for one scapy socket.
 *
 * ready() fetches a batch without waiting, so that the socket's select() needs
 * a system call only when the ring is empty; take() hands out one packet. An
 * error met by ready() is kept for take(): scapy's loop expects it there. With
 * the GIL held; the Ring gives it up while it fetches.
 */
#include "scapy_feed.h"

#include "errors.h"
#include "ring.h"
#include "scapy_packet.h"

namespace py = pybind11;

namespace
{

class Feed : public Bound
{
      public:
	explicit Feed(py::object ring_, bool lazy_)
	    : ring_object(std::move(ring_)), ring(ring_object.cast<Ring &>()), lazy(lazy_)
	{
	}

	unsigned pending() const
	{
		return ring.handle->pending_count();
	}

	/*
	 * Whether take() need not wait. wait_ns: how long to look; that a device
	 * went away only shows to who waits.
	 */
	bool ready(int64_t wait_ns)
	{
		if (pending() > 0 || error || over)
			return true;
		Handle::End end = ring.refill(wait_ns);
		if (end == Handle::End::Exception) {
			py::error_already_set e;
			/* A signal's exception belongs to whoever runs now. */
			if (!e.matches(PyExc_Exception))
				throw e;
			error = std::make_unique<py::error_already_set>(e);
		}
		over = end == Handle::End::Eof || end == Handle::End::Closed;
		return end == Handle::End::None || error || over;
	}

	/* A packet; (bytes, time) where scapy has to dissect it; None after a breakloop. */
	py::object take(uint32_t most)
	{
		const pfring_packet *packet = next();
		return packet != nullptr ? hand_out(packet, most) : py::none();
	}

	/* (bytes, ns since the epoch, length on the wire); None after a breakloop. */
	py::object record(uint32_t most)
	{
		const pfring_packet *packet = next();
		if (packet == nullptr)
			return py::none();
		return py::make_tuple(bytes_of(packet, most), packet->ts_ns, packet->len);
	}

      private:
	/* Waits; EOFError at the end, nullptr after a breakloop. */
	const pfring_packet *next()
	{
		if (error) {
			auto e = std::move(error);
			throw py::error_already_set(*e);
		}
		const pfring_packet *packet;
		while ((packet = ring.handle->next_pending()) == nullptr) {
			switch (ring.refill(ring.timeout_ns)) {
			case Handle::End::None:
				continue;
			case Handle::End::Exception:
				throw py::error_already_set();
			case Handle::End::Closed:
				ring.check_open();
				[[fallthrough]];
			case Handle::End::Eof:
				PyErr_SetNone(PyExc_EOFError);
				throw py::error_already_set();
			default:
				return nullptr;
			}
		}
		return packet;
	}

	static py::object bytes_of(const pfring_packet *packet, uint32_t most)
	{
		uint32_t len = packet->caplen < most ? packet->caplen : most;
		auto data = py::reinterpret_steal<py::object>(
			PyBytes_FromStringAndSize((const char *)packet->data, len));
		if (!data)
			throw py::error_already_set();
		return data;
	}

	py::object hand_out(const pfring_packet *packet, uint32_t most) const
	{
		/* As scapy's own sockets compute it, to the last bit. */
		py::float_ time((double)(packet->ts_ns / 1000000000) +
				(double)(packet->ts_ns % 1000000000) * 1e-9);
		py::object data = bytes_of(packet, most);
		if (lazy) {
			PyObject *made = scapy_packet_new(data.ptr(), time.ptr());
			if (made != nullptr)
				return py::reinterpret_steal<py::object>(made);
			if (PyErr_Occurred())
				throw py::error_already_set();
		}
		return py::make_tuple(data, time);
	}

	py::object ring_object; /* keeps ring alive */
	Ring &ring;
	bool lazy;
	bool over = false;
	std::unique_ptr<py::error_already_set> error;
};

} // namespace

void register_scapy_feed(py::module_ &m)
{
	py::class_<Feed>(m, "Feed")
		.def(py::init<py::object, bool>(), py::arg("ring"), py::arg("lazy"))
		.def("pending", &Feed::pending)
		.def("ready", &Feed::ready, py::arg("wait_ns") = 0)
		.def("take", &Feed::take)
		.def("record", &Feed::record);
}
