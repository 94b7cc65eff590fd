/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errors.h - from a negative errno of libpfring to an exception.
 *
 * The classes are Python (pfring/errors.py); this side only picks one. Call
 * with the GIL held, on the thread whose libpfring call failed: the sentence
 * of pfring_last_error() is per thread.
 */
#ifndef PFRING_PY_ERRORS_H
#define PFRING_PY_ERRORS_H

#include <Python.h>

#include <string>

/*
 * Sets the Python error for err (negative errno) and returns nullptr, so that
 * C-API code can say "return set_error(err)". cls names a class of
 * pfring.errors; nullptr picks it by errno.
 */
PyObject *set_error(int err, const char *cls = nullptr);
/* The same with our own sentence. */
PyObject *set_error_text(int err, const std::string &text, const char *cls = nullptr);
/* The same for pybind11 code: throws error_already_set. */
[[noreturn]] void throw_error(int err, const char *cls = nullptr);
[[noreturn]] void throw_error_text(int err, const std::string &text, const char *cls = nullptr);

#endif /* PFRING_PY_ERRORS_H */
