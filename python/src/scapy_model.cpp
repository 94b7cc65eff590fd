/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_model.cpp - binds pfring._core.scapy, private to pfring/scapy: fills the
 * model (scapy_model.h) from dictionaries that model.py makes, and lets it make
 * and count lazy packets. With the GIL held.
 */
#include "scapy_model.h"

#include <pybind11/pybind11.h>
#include <structmember.h>

#include "registry.h"
#include "scapy_feed.h"
#include "scapy_packet.h"

namespace py = pybind11;
using namespace py::literals;

/* Where a slot of Packet lies; its descriptor says so. */
static Py_ssize_t offset_of(const py::handle &packet, const std::string &slot)
{
	py::object descriptor = packet.attr("__dict__")[slot.c_str()];

	if (Py_TYPE(descriptor.ptr()) != &PyMemberDescr_Type)
		throw py::type_error("scapy's Packet has no slot " + slot);
	return reinterpret_cast<PyMemberDescrObject *>(descriptor.ptr())->d_member->offset;
}

/* A reference that the model keeps until the next one comes. */
static void keep(PyObject *&place, const py::handle &value)
{
	Py_XINCREF(value.ptr());
	Py_XSETREF(place, value.ptr());
}

/*
 * The class Packet, and its slots: those that a dissection fills (moved), the
 * others with the values they begin with, those that may be set at any time
 * (cheap). Returns the methods to put into Packet.
 */
static py::dict adopt(const py::type &packet, const py::list &moved, const py::dict &initial,
		      const py::object &cheap)
{
	ScapyModel &m = scapy_model;

	scapy_settle();
	m.valid = false;
	m.packet = (PyTypeObject *)packet.ptr();
	m.mark = offset_of(packet, "_pkt");
	m.payload = offset_of(packet, "payload");
	m.underlayer = offset_of(packet, "underlayer");
	m.parent = offset_of(packet, "parent");
	m.time = offset_of(packet, "time");
	m.bytes = offset_of(packet, "original");
	m.fields = offset_of(packet, "fields");
	m.moved.clear();
	for (const auto &slot : moved)
		m.moved.push_back(offset_of(packet, slot.cast<std::string>()));
	m.initial.clear();
	for (const auto &[slot, value] : initial) {
		value.inc_ref(); /* None and small constants: kept for good */
		m.initial.emplace_back(offset_of(packet, slot.cast<std::string>()), value.ptr());
	}
	keep(m.cheap, cheap);
	for (unsigned i = 0; i < 9; i++)
		keep(m.original[i], packet.attr("__dict__")[scapy_method_names[i]]);
	packet.inc_ref(); /* its slots are read as long as the process lives */
	PyObject *methods = scapy_methods();
	if (methods == nullptr)
		throw py::error_already_set();
	return py::reinterpret_steal<py::dict>(methods);
}

static LayerKind kind(const py::handle &number)
{
	return (LayerKind)number.cast<unsigned>();
}

/* What scapy's bindings say now. The keys are those of model.py. */
static void refresh(const py::dict &with)
{
	ScapyModel &m = scapy_model;

	m.valid = false;
	m.tables = WalkTables{};
	py::list ether = with["ether"];
	for (unsigned i = 0; i < 5; i++) {
		py::tuple row = ether[i];
		m.tables.ether[i] = {row[0].cast<uint16_t>(),
				     {kind(row[1]), kind(row[2]), kind(row[3])}};
	}
	for (unsigned i = 0; i < 3; i++)
		for (const auto &type : py::list(with["ether_bound"])[i])
			m.tables.bound[i].set(type.cast<uint16_t>());
	for (unsigned i = 0; i < 256; i++) {
		m.tables.ip4[0][i] = kind(py::list(with["ip4"])[i]);
		m.tables.ip4[1][i] = kind(py::list(with["ip4_later"])[i]);
		m.tables.ip6[i] = kind(py::list(with["ip6"])[i]);
	}
	for (const auto &port : with["tcp_ports"])
		m.tables.tcp_ports.set(port.cast<uint16_t>());
	for (const auto &port : with["udp_ports"])
		m.tables.udp_ports.set(port.cast<uint16_t>());
	m.tables.padding = with["padding"].cast<bool>();
	for (unsigned i = 0; i < LAYER_KINDS; i++) {
		PyObject *type = (PyObject *)m.layer[i];
		keep(type, py::list(with["layers"])[i]);
		m.layer[i] = (PyTypeObject *)type;
		keep(m.quick[i], py::list(with["quick"])[i]);
		keep(m.names[i], py::list(with["names"])[i]);
		keep(m.given[i], py::list(with["given"])[i]);
	}
	keep(m.kinds, with["kinds"]);
	keep(m.no_payload, with["no_payload"]);
	keep(m.inner_time, with["inner_time"]);
	for (auto &[list, length] : m.watched)
		Py_DECREF(list);
	m.watched.clear();
	for (const auto &list : with["watched"]) {
		list.inc_ref();
		m.watched.emplace_back(list.ptr(), PyList_GET_SIZE(list.ptr()));
	}
	m.valid = true;
}

void register_scapy(py::module_ &top)
{
	py::module_ m = top.def_submodule("scapy", "What pfring.scapy needs of C++; private.");

	register_scapy_packet();
	m.def("adopt", &adopt);
	m.def("refresh", &refresh);
	m.def("invalidate", [] { scapy_model.valid = false; });
	m.def("valid", &scapy_model_valid);
	m.def("settle", &scapy_settle);
	m.def("waiting", &scapy_waiting);
	m.def("is_lazy", [](const py::handle &packet) {
		return scapy_model.packet != nullptr &&
		       PyObject_TypeCheck(packet.ptr(), scapy_model.packet) &&
		       scapy_is_lazy(packet.ptr());
	});
	m.def("packet", [](const py::bytes &data, const py::object &time) -> py::object {
		PyObject *packet = scapy_packet_new(data.ptr(), time.ptr());
		if (packet == nullptr && PyErr_Occurred())
			throw py::error_already_set();
		if (packet == nullptr)
			return py::none();
		return py::reinterpret_steal<py::object>(packet);
	});
	register_scapy_feed(m);
}
