/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collector.cpp - binds pfring._core.Collector: a sink that hands batches of
 * what it was given to a Python function, for writers that are Python.
 *
 * Packets are copied on the thread that reads the ring, without the GIL, which
 * is taken once per batch; the reader waits meanwhile, so memory is bounded.
 */
#include <cerrno>
#include <mutex>

#include "batch.h"
#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

namespace
{

class Collector : public PacketSink
{
      public:
	Collector(py::function function, size_t capacity, bool ethernet)
	    : function(std::move(function)), capacity(capacity), ethernet(ethernet)
	{
	}

	int take(const pfring_packet *packets, unsigned n) override
	{
		std::lock_guard<std::mutex> guard(lock);
		while (n > 0) {
			if (store == nullptr)
				store = std::make_shared<PacketStore>(capacity, 0, ethernet);
			unsigned some = (unsigned)std::min<size_t>(n, capacity - store->n);
			int err = store->take(packets, some);
			if (err == 0 && store->n == capacity)
				err = hand_over();
			if (err < 0)
				return err;
			packets += some;
			n -= some;
		}
		return 0;
	}

	/* What is there, whole batch or not. */
	int flush()
	{
		std::lock_guard<std::mutex> guard(lock);
		return store != nullptr && store->n > 0 ? hand_over() : 0;
	}

	std::string why() const override
	{
		return reason;
	}

      private:
	int hand_over()
	{
		std::shared_ptr<PacketStore> full;
		full.swap(store);
		py::gil_scoped_acquire gil;
		try {
			function(batch_of(full, ethernet));
			return 0;
		} catch (py::error_already_set &e) {
			reason = py::str(e.value()).cast<std::string>();
			py::object number = py::getattr(e.value(), "errno", py::none());
			return py::isinstance<py::int_>(number) ? -number.cast<int>() : -EIO;
		}
	}

	const py::function function;
	const size_t capacity;
	const bool ethernet;
	std::mutex lock; /* never waited for with the GIL held */
	std::shared_ptr<PacketStore> store;
	std::string reason;
};

} // namespace

void register_collector(py::module_ &m)
{
	py::class_<Collector, PacketSink>(m, "Collector")
		.def(py::init<py::function, size_t, bool>(), "function"_a, "capacity"_a,
		     "ethernet"_a)
		.def("flush", [](Collector &c) {
			int err;
			{
				py::gil_scoped_release release;
				err = c.flush();
			}
			if (err < 0)
				throw_error_text(err, c.why());
		});
}
