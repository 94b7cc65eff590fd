/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * paths.h - file names between Python and C, undecodable bytes included.
 *
 * With the GIL held.
 */
#ifndef PFRING_PY_PATHS_H
#define PFRING_PY_PATHS_H

#include <pybind11/pybind11.h>

#include <string>

/* str, bytes or os.PathLike; throws TypeError, or ValueError for embedded nulls. */
inline std::string path_from_python(const pybind11::handle &path)
{
	PyObject *bytes = nullptr;
	if (!PyUnicode_FSConverter(path.ptr(), &bytes))
		throw pybind11::error_already_set();
	return pybind11::reinterpret_steal<pybind11::bytes>(bytes);
}

inline pybind11::str text_from_path(const std::string &path)
{
	PyObject *text = PyUnicode_DecodeFSDefaultAndSize(path.data(), (Py_ssize_t)path.size());
	if (text == nullptr)
		throw pybind11::error_already_set();
	return pybind11::reinterpret_steal<pybind11::str>(text);
}

#endif /* PFRING_PY_PATHS_H */
