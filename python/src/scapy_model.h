/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_model.h - what the extension knows of the scapy that is loaded: where
 * its slots are, its layer classes, what its bindings say, and the methods of
 * Packet that ours stand in for.
 *
 * One for the process, filled by pfring/scapy/model.py through
 * scapy_model.cpp, read by scapy_packet.cpp and scapy_methods.cpp. With the GIL.
 */
#ifndef PFRING_PY_SCAPY_MODEL_H
#define PFRING_PY_SCAPY_MODEL_H

#include <Python.h>

#include <utility>
#include <vector>

#include "scapy_walk.h"

struct ScapyModel {
	/* From adopt(): fixed as long as the backend is installed. */
	PyTypeObject *packet = nullptr;
	PyObject *original[9] = {}; /* Packet's methods, see scapy_methods.cpp */
	Py_ssize_t mark, payload, underlayer, parent, time, bytes, fields;
	std::vector<Py_ssize_t> moved;				/* slots that a dissection fills */
	std::vector<std::pair<Py_ssize_t, PyObject *>> initial; /* the others, and their values */
	PyObject *cheap = nullptr; /* names of slots that can be set without a look */

	/* From refresh(): as the bindings are at the moment; valid says whether they still are. */
	bool valid = false;
	WalkTables tables;
	PyTypeObject *layer[LAYER_KINDS] = {};
	PyObject *kinds = nullptr;	   /* class or name: its kind */
	PyObject *quick[LAYER_KINDS] = {}; /* field: offset << 8 | FieldForm */
	PyObject *names[LAYER_KINDS] = {}; /* all fields */
	PyObject *given[LAYER_KINDS] = {}; /* attributes that it has from the start */
	std::vector<std::pair<PyObject *, Py_ssize_t>> watched; /* lists, and their length */
	PyObject *no_payload = nullptr, *inner_time = nullptr;
};

extern ScapyModel scapy_model;

/* How a field's bytes become the value that scapy gives. */
enum FieldForm {
	FORM_U8,
	FORM_U16,
	FORM_U32,
	FORM_HIGH4,
	FORM_LOW4,
	FORM_MAC,
	FORM_IP4,
	FORM_REST
};

/* Whether the bindings are the ones that were read. */
inline bool scapy_model_valid()
{
	if (!scapy_model.valid)
		return false;
	for (const auto &[list, length] : scapy_model.watched)
		if (PyList_GET_SIZE(list) != length)
			return false;
	return true;
}

inline PyObject *&scapy_slot(PyObject *packet, Py_ssize_t offset)
{
	return *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(packet) + offset);
}

/* Whether a Packet waits for its dissection. */
inline bool scapy_is_lazy(PyObject *packet)
{
	return scapy_slot(packet, scapy_model.mark) != nullptr;
}

/* scapy_packet.cpp. Dissect the packet that a lazy layer belongs to; 0, or -1 with an error. */
int scapy_dissect(PyObject *layer);
/* Its frame, its layers and its own place among them; false if it has none (being collected). */
bool scapy_whole(PyObject *layer, PyObject **data, const Walked **walked, unsigned *place);
/* A new reference to the layer at a place further up. */
PyObject *scapy_layer(PyObject *layer, unsigned from, unsigned to);
/* Dissect all that wait; afterwards none does. */
void scapy_settle();
Py_ssize_t scapy_waiting();

/* scapy_methods.cpp. New method descriptors for Packet, by name, as a dict. */
PyObject *scapy_methods();
extern const char *const scapy_method_names[9];

#endif /* PFRING_PY_SCAPY_MODEL_H */
