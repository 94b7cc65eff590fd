/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errors.cpp - picks and raises the exception for a failed call (see errors.h).
 *
 * pfring.errors is imported on the first failure only; holding the GIL.
 */
#include "errors.h"

#include <pybind11/pybind11.h>

#include <cerrno>

#include "pfring.h"

namespace py = pybind11;

static const char *class_of(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "PermissionDenied";
	case ENODEV:
	case ENXIO:
		return "NoSuchDevice";
	case ENOENT:
		return "NoSuchFile";
	case ENETDOWN:
		return "DeviceDown";
	case EOPNOTSUPP:
	case ENOSYS:
		return "NotSupported";
	default:
		return "Error";
	}
}

PyObject *set_error_text(int err, const std::string &text, const char *cls)
{
	PyObject *module = PyImport_ImportModule("pfring.errors");
	if (module == nullptr)
		return nullptr;
	PyObject *type = PyObject_GetAttrString(module, cls ? cls : class_of(err));
	Py_DECREF(module);
	if (type == nullptr)
		return nullptr;
	/* libpcap and the kernel may put any bytes (a device name) into a message. */
	PyObject *sentence = PyUnicode_DecodeUTF8(text.data(), (Py_ssize_t)text.size(), "replace");
	PyObject *args = sentence ? Py_BuildValue("(iN)", -err, sentence) : nullptr;
	if (args != nullptr)
		PyErr_SetObject(type, args);
	Py_XDECREF(args);
	Py_DECREF(type);
	return nullptr;
}

PyObject *set_error(int err, const char *cls)
{
	return set_error_text(err, pfring_last_error(), cls);
}

void throw_error(int err, const char *cls)
{
	set_error(err, cls);
	throw py::error_already_set();
}

void throw_error_text(int err, const std::string &text, const char *cls)
{
	set_error_text(err, text, cls);
	throw py::error_already_set();
}
