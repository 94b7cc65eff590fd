/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devices.cpp - binds libpfring's list of interfaces; pfring/interfaces.py adds
 * what the system says of each.
 */
#include <pybind11/pybind11.h>

#include <memory>

#include "errors.h"
#include "pfring.h"
#include "registry.h"

namespace py = pybind11;

struct FreeDevices {
	void operator()(pfring_if_t *list) const
	{
		pfring_freealldevs(list);
	}
};

/* [(name, MAC, up)] */
static py::list find_devices()
{
	std::unique_ptr<pfring_if_t, FreeDevices> list;
	{
		py::gil_scoped_release release;
		list.reset(pfring_findalldevs());
	}
	py::list devices;
	for (const pfring_if_t *d = list.get(); d != nullptr; d = d->next)
		devices.append(py::make_tuple(
			d->name, py::bytes((const char *)d->mac, sizeof(d->mac)), d->status == 1));
	return devices;
}

void register_devices(py::module_ &m)
{
	m.def("find_devices", &find_devices, "Every interface as (name, MAC, up).");
}
